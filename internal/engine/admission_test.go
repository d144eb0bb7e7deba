package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// strict is a backend that takes nothing that runs as root.
type strict struct {
	*memory.Backend
	failure error
}

func (s strict) Admit(_ context.Context, _ string, specs []plan.ServiceSpec) ([]error, error) {
	refusals := make([]error, len(specs))
	for i := range specs {
		if specs[i].User != nil && specs[i].User.UID == 0 {
			refusals[i] = errors.New("it asks for root")
		}
	}
	return refusals, s.failure
}

var _ enclave.Admitting = strict{}

// All that an enclave will not take is told at once, with its places, and nothing is made.
func TestServicesThatAreNotAdmittedAreToldBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	backend := strict{Backend: h.backend}
	h.engine = New(backend, Options{})
	root := func(s *plan.ServiceSpec) { s.User = &plan.User{} }
	task := spec("seed", root)
	p := planOf(add("db"), add("api", root), &plan.RunTask{ID: "task.seed", Name: "seed", Kind: plan.TaskShell, Script: "true", Service: task})
	_, changes, _, err := h.try(p)
	mention(t, err, `service "api": it asks for root`, `task "seed": it asks for root`, "main.star:2:5", "main.star:3:5")
	same(t, "changes", changes, nil)

	h.engine = New(strict{Backend: h.backend, failure: errors.New("the cluster is away")}, Options{})
	h.fails(p, "the cluster is away")

	// Once it asks for less it is made.
	h.engine = New(backend, Options{})
	_, changes, _ = h.apply(planOf(add("db"), add("api")))
	slices.Sort(changes) // Both are made at the same time.
	same(t, "changes", changes, []string{"CreateService dev/api", "CreateService dev/db", "StartService dev/api", "StartService dev/db"})
}
