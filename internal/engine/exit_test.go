package engine

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// endOf waits for the end of a service's process.
func endOf(service string, timeout time.Duration) *plan.Wait {
	return &plan.Wait{
		ID: service + "#1", Service: service, Recipe: &plan.ExitRecipe{},
		Condition: plan.Condition{Field: "code", Assertion: "==", Target: int64(0), Timeout: timeout},
	}
}

func TestWaitForTheEndOfAProcess(t *testing.T) {
	t.Parallel()
	var h *harness
	started := make(chan struct{})
	h = newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(_ string, request enclave.ServiceRequest) memory.Outcome {
			switch request.Spec.Name {
			case "migrate":
				close(started)
			case "api":
				if service, err := h.backend.Service(t.Context(), testEnclave, "migrate"); err != nil || service.State != enclave.StateExited {
					t.Errorf("api starts while migrate is %v (%v)", service, err)
				}
			}
			return memory.Outcome{}
		}
	})
	go func() {
		<-started
		time.Sleep(30 * time.Millisecond)
		h.backend.Kill(testEnclave, "migrate", 0)
	}()
	p := planOf(add("migrate", noPorts), endOf("migrate", time.Minute), add("api"))
	result, changes, _ := h.apply(p)
	same(t, "changes", changes[len(changes)-1:], []string{"StartService dev/api"})
	if got := result.Services["migrate"]; got.Status != StatusCompleted || !got.Holds {
		t.Errorf("migrate is %+v", got)
	}
	_, changes, _ = h.apply(p)
	same(t, "changes of a second apply", changes, nil)
}

func TestEndOfAProcessThatFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		outcome  memory.Outcome
		timeout  time.Duration
		mentions []string
	}{
		"another code": {
			outcome: memory.Outcome{Exited: true, Code: 3}, timeout: time.Hour,
			mentions: []string{`service "migrate" exited with code 3`, "| no such table"},
		},
		"never": {
			timeout:  50 * time.Millisecond,
			mentions: []string{`the process of service "migrate" did not come to its end within 50ms`, "| no such table"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var apis atomic.Int32
			h := newHarness(t, func(hooks *memory.Hooks) {
				hooks.Start = func(_ string, request enclave.ServiceRequest) memory.Outcome {
					if request.Spec.Name == "api" {
						apis.Add(1)
						return memory.Outcome{}
					}
					return c.outcome
				}
				hooks.Logs = func(string, string) string { return "no such table\n" }
			})
			h.fails(planOf(add("migrate", noPorts), endOf("migrate", c.timeout), add("api")), c.mentions...)
			if apis.Load() != 0 {
				t.Error("api was started although migrate did not do its work")
			}
		})
	}
}

// A process that fails while it is waited for ends the wait at once, long before its time.
func TestFailureEndsTheWaitForAnEnd(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(string, enclave.ServiceRequest) memory.Outcome { close(started); return memory.Outcome{} }
	})
	go func() {
		<-started
		time.Sleep(50 * time.Millisecond)
		h.backend.Kill(testEnclave, "migrate", 2)
	}()
	h.fails(planOf(add("migrate", noPorts), endOf("migrate", time.Hour)), `service "migrate" exited with code 2, and code == 0 was waited for`)
}

func TestReadyOnceTheProcessHasEnded(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(string, enclave.ServiceRequest) memory.Outcome { return memory.Outcome{Exited: true} }
	})
	p := planOf(add("migrate", noPorts, func(s *plan.ServiceSpec) {
		s.Ready = &plan.ReadyCondition{Recipe: &plan.ExitRecipe{}, Condition: plan.Condition{Field: "code", Assertion: "==", Target: int64(0), Timeout: time.Minute}}
	}))
	result, _, _ := h.apply(p)
	if got := result.Services["migrate"]; got.Status != StatusCompleted || !got.Holds {
		t.Errorf("migrate is %+v", got)
	}
	_, changes, _ := h.apply(p)
	same(t, "changes of a second apply", changes, nil)
}
