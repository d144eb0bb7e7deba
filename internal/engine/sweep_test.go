package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// sweepingBackend counts how often it is asked to sweep.
type sweepingBackend struct {
	enclave.Backend

	sweeps  int
	failure error
}

func (b *sweepingBackend) Sweep(context.Context, string) error {
	b.sweeps++
	return b.failure
}

// What a cut-off apply has left is swept up by the next one that comes to its end, and by no other.
func TestSweepFollowsAnInterruption(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	backend := &sweepingBackend{Backend: h.backend}
	engine := New(backend, Options{})
	apply := func(wantSweeps int, wantFailure bool, services ...string) {
		t.Helper()
		p := planOf()
		for _, name := range services {
			p.Instructions = append(p.Instructions, planOf(add(name)).Instructions...)
		}
		if _, err := engine.Apply(t.Context(), h.request(p)); (err != nil) != wantFailure {
			t.Fatalf("got error %v, want one: %t", err, wantFailure)
		}
		if backend.sweeps != wantSweeps {
			t.Errorf("it was swept %d times, want %d", backend.sweeps, wantSweeps)
		}
	}
	apply(0, false, "db")
	apply(0, false, "db", "api")
	h.fails(planOf(add("db"), exec("db#1", "nobody", "x")), "nobody")
	backend.failure = errors.New("the engine is away")
	apply(1, true, "db", "api")
	backend.failure = nil
	apply(2, false, "db", "api")
	apply(2, false, "db")
}
