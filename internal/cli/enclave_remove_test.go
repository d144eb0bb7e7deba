package cli

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func (w *world) exists(name string) bool {
	w.Helper()
	_, err := w.backend.Enclave(w.Context(), name)
	if err != nil && !errors.Is(err, enclave.ErrNotFound) {
		w.Fatal(err)
	}
	return err == nil
}

func TestEnclaveRemove(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.provide("dev", "provider-1", folder)
	w.ok("run", folder, "--enclave", "mine")
	w.fails(ExitFailure, []string{"enclave", "rm", "dev", "mine"}, `"provider-1"`, "sundog enclave rm --force dev")
	if !w.exists("dev") || w.exists("mine") {
		t.Error("the one of somebody else stays, one's own goes")
	}
	if output := w.ok("enclave", "rm", "--force", "dev"); output != "dev\n" || w.exists("dev") {
		t.Errorf("removed %q", output)
	}
	w.ok("enclave", "rm", "dev")
	w.fails(ExitUsage, []string{"enclave", "rm"}, "1 arg")
}

func TestEnclaveRemoveWaitsForAnApply(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.ok("run", webshop(t), "--enclave", "dev")
	unlock, err := w.backend.Lock(t.Context(), "dev", "run/shop", "somebody's apply")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	result := w.start(ctx, "", "enclave", "rm", "dev")
	if result.code != ExitFailure || !w.exists("dev") {
		t.Error(result)
	}
	contains(t, result.message, "somebody's apply")
	w.ok("enclave", "rm", "dev", "--force")
	if w.exists("dev") {
		t.Error("--force does not wait")
	}
}

func TestEnclaveStopAndStart(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev")
	if output := w.ok("enclave", "stop", "dev"); output != "web\ndb\n" {
		t.Errorf("stopped %q", output)
	}
	contains(t, w.ok("enclave", "ls"), "0/2")
	if output := w.ok("enclave", "start", "dev", "--format", "json"); output != "[\n  \"db\",\n  \"web\"\n]\n" {
		t.Errorf("started %q", output)
	}
	if output := w.ok("enclave", "start", "dev", "--format", "json"); output != "[]\n" {
		t.Errorf("started again %q", output)
	}
	contains(t, w.run("run", folder, "--enclave", "dev").notice, "2 services (keep 2)")
	w.fails(ExitFailure, []string{"enclave", "stop", "other"}, `"other"`)
}

func TestEnclaveRemoveOfWhatWasLeft(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	backend := &untidy{Backend: w.backend, orphans: []enclave.Orphan{{Name: "mine", Owner: testOwner}, {Name: "theirs", Owner: "somebody"}, {Name: "stuck"}}}
	w.tools.backend = func(backendFlag) (enclave.Backend, error) { return backend, nil }
	w.ok("enclave", "rm", "mine")
	w.fails(ExitFailure, []string{"enclave", "rm", "theirs"}, `"somebody"`, "--force")
	w.fails(ExitFailure, []string{"enclave", "rm", "stuck"}, "in use")
	if len(backend.orphans) != 2 {
		t.Errorf("%+v", backend.orphans)
	}
}
