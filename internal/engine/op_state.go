package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// transition carries out a start or stop instruction. It is an imperative instruction like others: it runs again only if
// something before it on the same service changed, or if the service is not as the plan leaves it.
func (x *execution) transition(ctx context.Context, i int, name string, target fate) error {
	if err := x.ownService(name); err != nil {
		return err
	}
	id, planned, service := x.order.steps[i], x.order.targets[i], x.world.service(name)
	wish, taken, err := x.decider.transition(i, name, target)
	if err != nil {
		return err
	}
	if taken.action == ActionKeep {
		x.note(i, kindStep, id, taken)
		return nil
	}
	if service == nil {
		if planned != nil {
			return &rewindError{planned}
		}
		return &serviceError{name, fmt.Errorf("service %q: %w in the enclave", name, enclave.ErrNotFound)}
	}
	action := ActionStart
	if target == fateStopped {
		action = ActionStop
	}
	x.note(i, kindStep, id, verdict{action, taken.reason})
	if target == fateStopped && planned != nil && planned.fate == fateStopped {
		// On record first: a service that is found stopped after an interruption is then not started just to be stopped again.
		if err := x.settleFate(ctx, planned, target); err != nil {
			return err
		}
	}
	if err := x.carryTransition(ctx, name, service, planned, target); err != nil {
		return err
	}
	return x.store.now(ctx, func(r *record) {
		r.Steps[id] = &stepRecord{Digest: wish.digest, Parts: wish.parts}
		if planned != nil && r.Services[planned.key] != nil {
			r.Services[planned.key].Fate = target
		}
	})
}

func (x *execution) carryTransition(ctx context.Context, name string, service *enclave.Service, planned *plannedService, target fate) error {
	// One that has ended by itself, or whose stop was cut off, is stopped as well: the backend notes that it is meant to be.
	if isRunning(service) == (target == fateRunning) && (target == fateRunning || !hasEnded(service)) {
		return nil
	}
	x.touch()
	if target == fateRunning {
		return x.startAgain(ctx, name, planned)
	}
	done := x.event("stop", name, "")
	err := x.engine.backend.StopService(ctx, x.request.Enclave, name)
	done(err)
	if err != nil {
		return &serviceError{name, err}
	}
	return x.refresh(ctx, name)
}

// startAgain starts a stopped service and waits until it is ready as its spec says.
func (x *execution) startAgain(ctx context.Context, name string, planned *plannedService) error {
	if err := x.start(ctx, name); err != nil {
		return err
	}
	if planned == nil {
		return nil
	}
	return x.awaitReady(ctx, planned.spec)
}

func (x *execution) refresh(ctx context.Context, name string) error {
	service, err := x.engine.backend.Service(ctx, x.request.Enclave, name)
	if err != nil {
		return &serviceError{name, err}
	}
	x.world.setService(name, service)
	return nil
}

// removeService carries out an instruction that removes a service. What is gone already is success.
func (x *execution) removeService(ctx context.Context, i int, operation *plan.RemoveService) error {
	name := operation.Service
	if err := x.ownService(name); err != nil {
		return err
	}
	planned := x.order.targets[i]
	if x.world.service(name) == nil && !x.isRemoving(planned) {
		x.note(i, kindStep, "removed:"+name, verdict{ActionKeep, "it is removed already"})
		return nil
	}
	x.note(i, kindService, name, verdict{ActionRemove, "the plan removes it"})
	if planned != nil {
		// On record first: a service that is found missing after an interruption has then done its part, and so have the
		// instructions on it. Something of it may be left then.
		if err := x.settleFate(ctx, planned, fateRemoved); err != nil {
			return err
		}
	}
	if err := x.dropService(ctx, name); err != nil {
		return err
	}
	if planned != nil {
		x.store.later(ctx, func(r *record) {
			if known := r.Services[planned.key]; known != nil {
				known.Removing = false
			}
		})
	}
	return nil
}

// isRemoving tells whether the removal of a service was begun by an earlier apply and is not known to have come to its end.
func (x *execution) isRemoving(planned *plannedService) bool {
	if planned == nil {
		return false
	}
	known := x.store.service(planned.key)
	return known != nil && known.Removing
}

// settleFate writes down how the plan leaves a service.
func (x *execution) settleFate(ctx context.Context, planned *plannedService, target fate) error {
	return x.store.now(ctx, func(r *record) {
		if known := r.Services[planned.key]; known != nil {
			known.Fate, known.Removing = target, target == fateRemoved
		}
	})
}

func (x *execution) dropService(ctx context.Context, name string) error {
	x.touch()
	done := x.event("remove", name, "")
	err := x.engine.backend.RemoveService(ctx, x.request.Enclave, name)
	done(err)
	if err != nil {
		return &serviceError{name, err}
	}
	x.world.setService(name, nil)
	return nil
}

// ownService refuses to change a service of another run.
func (x *execution) ownService(name string) error {
	service := x.world.service(name)
	if service == nil || service.Run == x.request.Run {
		return nil
	}
	return &serviceError{name, &enclave.OwnedError{Kind: "service", Name: name, Owner: service.Owner, Run: service.Run, CreatedAt: service.CreatedAt}}
}

// makeRunning has the service of an instruction run: one that a later instruction stops was kept stopped, one that a
// later instruction removes was left out.
func (x *execution) makeRunning(ctx context.Context, i int, name string) error {
	planned := x.order.targets[i]
	if x.world.isSkipped(name) {
		if planned == nil {
			return &serviceError{name, errors.New("a later instruction removes it")}
		}
		return &rewindError{planned}
	}
	service := x.world.service(name)
	if service == nil || planned == nil || isRunning(service) || !x.stoppedAhead(i, planned) {
		return nil
	}
	return x.startAgain(ctx, name, planned)
}

// stoppedAhead tells that a service does not run only because the plan left it stopped in an earlier apply, not because
// an earlier instruction of this one stopped it.
func (x *execution) stoppedAhead(i int, planned *plannedService) bool {
	for j := i - 1; j > planned.instruction; j-- {
		if x.order.targets[j] != planned {
			continue
		}
		switch x.plan.Instructions[j].Operation.(type) {
		case *plan.StopService:
			return false
		case *plan.StartService:
			return true
		}
	}
	return planned.fate == fateStopped
}

func isRunning(service *enclave.Service) bool {
	return service.State == enclave.StateRunning || service.State == enclave.StateStarting
}

// getServices requires that services exist.
func (x *execution) getServices(operation *plan.GetServices) error {
	for _, name := range operation.Services {
		if !x.world.has(name) {
			return &serviceError{name, fmt.Errorf("service %q: %w in the enclave: add it in this package, or apply the run that adds it first", name, enclave.ErrNotFound)}
		}
	}
	return nil
}
