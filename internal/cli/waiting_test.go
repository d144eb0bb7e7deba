package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestWhoWaitsForAnotherApplyIsTold(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev")
	// Whoever finds nothing to do does not wait.
	if err := w.backend.RemoveService(t.Context(), "dev", "web"); err != nil {
		t.Fatal(err)
	}
	unlock, err := w.backend.Lock(t.Context(), "dev", "run/shop", `owner "colleague", process 7 on laptop`)
	if err != nil {
		t.Fatal(err)
	}
	root := newRoot("1.2.3", w.tools)
	var notices notebook
	root.SetOut(&notices)
	root.SetErr(&notices)
	root.SetArgs([]string{"run", folder, "--enclave", "dev"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(t.Context()) }()
	notices.await(t, `waiting for the run "shop": held by owner "colleague", process 7 on laptop since `, 1)

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	interrupted := w.start(ctx, "", "run", folder, "--enclave", "dev")
	if interrupted.code != ExitFailure {
		t.Errorf("%+v", interrupted)
	}
	contains(t, interrupted.message, `owner "colleague", process 7 on laptop`)

	impatient := w.fails(ExitFailure, []string{"run", folder, "--enclave", "dev", "--lock-timeout", "100ms"}, `owner "colleague", process 7 on laptop`, "--lock-timeout")
	if strings.Contains(impatient.message, "interrupted") {
		t.Error(impatient.message)
	}

	unlock()
	if err := <-ended; err != nil {
		t.Errorf("it goes on once the other one has ended: %v", err)
	}
}

func TestRunKnowsTheCapacity(t *testing.T) {
	w := newWorld(t, memory.Hooks{Capacity: enclave.Capacity{MilliCPU: 2000, MemoryMB: 1000}})
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/big\n", "main.star": `def run(plan):
    plan.add_service("big", ServiceConfig(image="test/service:1", min_memory=2000))
`})
	w.fails(ExitFailure, []string{"run", folder, "--enclave", "dev"}, "2000", "1000", "min_memory")
}
