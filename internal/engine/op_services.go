package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// defaultParallelism is how many services of one batch start at the same time unless the request or the
// backend says otherwise.
const defaultParallelism = 4

// addServices brings one service, or the services of one batch, to what the plan says.
func (x *execution) addServices(ctx context.Context, i int, operation *plan.AddServices) error {
	choices := make([]*serviceChoice, 0, len(operation.Services))
	for _, planned := range x.order.added[i] {
		if err := x.borrow(ctx, planned.spec); err != nil {
			return &serviceError{planned.spec.Name, err}
		}
		choice, err := x.decider.service(planned)
		if err != nil {
			return err
		}
		x.note(i, kindService, planned.spec.Name, choice.verdict)
		choices = append(choices, choice)
	}
	if err := x.intend(ctx, choices); err != nil {
		return err
	}
	var unready atomic.Bool
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(x.parallelism())
	for _, choice := range choices {
		group.Go(func() error {
			err := x.bring(groupContext, choice)
			if err != nil && groupContext.Err() == nil && !isConditionFailure(err) {
				unready.Store(true)
			}
			return err
		})
	}
	err := group.Wait()
	if err != nil && ctx.Err() == nil && operation.Batch && len(choices) > 1 && unready.Load() {
		return x.rollBack(ctx, choices, err)
	}
	return err
}

func (x *execution) parallelism() int {
	if x.request.Parallelism > 0 {
		return x.request.Parallelism
	}
	if spread, ok := x.engine.backend.(enclave.Spread); ok {
		return spread.StartsAtOnce()
	}
	return defaultParallelism
}

// intend writes down what is about to be made, where that was not done ahead.
func (x *execution) intend(ctx context.Context, choices []*serviceChoice) error {
	missing := map[string]string{}
	x.store.mutex.Lock()
	for _, choice := range choices {
		makes := choice.verdict.action == ActionCreate || choice.verdict.action == ActionReplace
		if makes && x.store.record.Intents[choice.planned.key] != choice.wish.digest {
			missing[choice.planned.key] = choice.wish.digest
		}
	}
	x.store.mutex.Unlock()
	if len(missing) == 0 {
		return nil
	}
	return x.store.now(ctx, func(r *record) {
		maps.Copy(r.Intents, missing)
	})
}

// bring carries one decision about a service out.
func (x *execution) bring(ctx context.Context, choice *serviceChoice) error {
	name := choice.spec.Name
	switch choice.verdict.action {
	case ActionKeep:
		x.keepService(ctx, choice)
		return nil
	case ActionCreate, ActionReplace:
		if err := x.createService(ctx, choice); err != nil {
			return &serviceError{name, err}
		}
		return x.startNew(ctx, choice)
	case ActionStart:
		x.remember(ctx, choice, x.world.service(name), "")
		return x.startNew(ctx, choice)
	case ActionUpdate:
		x.remember(ctx, choice, x.world.service(name), "")
		return x.readyAfterStart(ctx, choice)
	default:
		return &serviceError{name, fmt.Errorf("service %q cannot be brought to the plan by %q", name, choice.verdict.action)}
	}
}

// keepService notes a service that is as the plan says. One that did its part before stays away.
func (x *execution) keepService(ctx context.Context, choice *serviceChoice) {
	name := choice.spec.Name
	if x.world.service(name) == nil {
		x.world.skip(name, choice.known)
		return
	}
	if choice.known != nil && choice.known.Fate == choice.wish.fate {
		return
	}
	x.store.later(ctx, func(r *record) { r.Services[choice.planned.key].Fate = fateRunning })
}

// createService makes the service's container; one that was made ahead is taken if it is what is wanted.
func (x *execution) createService(ctx context.Context, choice *serviceChoice) error {
	x.touch()
	created, err := x.ahead.takeService(ctx, choice)
	if err != nil {
		return err
	}
	if created == nil {
		if created, err = x.makeContainer(ctx, choice); err != nil {
			return err
		}
	}
	x.decider.did("service:"+choice.planned.key, choice.wish.digest)
	x.world.setService(choice.spec.Name, created)
	x.remember(ctx, choice, created, "")
	return nil
}

func (x *execution) makeContainer(ctx context.Context, choice *serviceChoice) (*enclave.Service, error) {
	if err := x.ahead.awaitArtifacts(ctx, choice.artifacts); err != nil {
		return nil, err
	}
	done := x.event("create", choice.spec.Name, choice.verdict.reason)
	created, err := x.engine.backend.CreateService(ctx, x.request.Enclave, enclave.ServiceRequest{
		Run: x.request.Run, Owner: x.request.Owner, Digest: choice.wish.digest,
		Spec: choice.spec, Image: choice.image, Artifacts: choice.artifacts,
	})
	done(err)
	return created, err
}

// remember writes down which container stands for a service; readiness is empty until it is ready.
func (x *execution) remember(ctx context.Context, choice *serviceChoice, service *enclave.Service, readiness string) {
	known := &serviceRecord{
		Digest: choice.wish.digest, Parts: choice.wish.parts, ContainerID: service.ID, Readiness: readiness,
		Hostname: service.Hostname, IPAddress: service.IPAddress, Fate: fateRunning, Place: choice.planned.instruction + 1,
	}
	x.store.later(ctx, func(r *record) {
		delete(r.Intents, choice.planned.key)
		r.Services[choice.planned.key] = known
	})
}

// startNew starts a container that does not run and waits until it is ready.
func (x *execution) startNew(ctx context.Context, choice *serviceChoice) error {
	if err := x.start(ctx, choice.spec.Name); err != nil {
		if ctx.Err() == nil {
			x.markFailed(ctx, choice)
		}
		return err
	}
	return x.readyAfterStart(ctx, choice)
}

func (x *execution) start(ctx context.Context, name string) error {
	x.touch()
	done := x.event("start", name, "")
	started, err := x.engine.backend.StartService(ctx, x.request.Enclave, name)
	done(err)
	if err != nil {
		return &serviceError{name, err}
	}
	x.world.setService(name, started)
	return nil
}

func (x *execution) readyAfterStart(ctx context.Context, choice *serviceChoice) error {
	if err := x.awaitReady(ctx, &choice.spec); err != nil {
		if ctx.Err() == nil && isUnready(err) {
			x.markFailed(ctx, choice)
		}
		return err
	}
	x.remember(ctx, choice, x.world.service(choice.spec.Name), choice.wish.readiness)
	return nil
}

// markFailed has the next apply make the service anew; until then its container stays, to be looked at.
func (x *execution) markFailed(ctx context.Context, choice *serviceChoice) {
	x.store.later(ctx, func(r *record) {
		if known := r.Services[choice.planned.key]; known != nil {
			known.Failed = true
		}
	})
}

// isConditionFailure tells that a service runs and its ports are open, but its ready condition does not hold.
func isConditionFailure(err error) bool {
	about, ok := errors.AsType[*conditionError](err)
	return ok && about != nil
}

// rollBack removes the services of a batch that did not exist before, except for the failed ones, which are kept to be
// looked at.
func (x *execution) rollBack(ctx context.Context, choices []*serviceChoice, cause error) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	failed := map[string]bool{}
	x.store.mutex.Lock()
	for _, choice := range choices {
		known := x.store.record.Services[choice.planned.key]
		failed[choice.spec.Name] = known != nil && known.Failed
	}
	x.store.mutex.Unlock()
	var removed []string
	for _, choice := range choices {
		name := choice.spec.Name
		if choice.verdict.action != ActionCreate || failed[name] {
			continue
		}
		if err := x.engine.backend.RemoveService(ctx, x.request.Enclave, name); err != nil {
			cause = errors.Join(cause, fmt.Errorf("roll back service %q: %w", name, err))
			continue
		}
		removed = append(removed, name)
		x.world.setService(name, nil)
		x.store.later(ctx, func(r *record) { delete(r.Services, choice.planned.key) })
	}
	if len(removed) == 0 {
		return cause
	}
	about := ""
	if failure, ok := errors.AsType[*serviceError](cause); ok {
		about = failure.service
	}
	return &serviceError{about, fmt.Errorf("%w\nthe other new services of the batch were removed again: %s", cause, strings.Join(removed, ", "))}
}
