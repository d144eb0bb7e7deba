package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// leftovers gives the run's containers that the plan does not have, with the reason.
func leftovers(w *world, order *itinerary) map[string]string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	names := map[string]string{}
	for name, service := range w.services {
		planned := order.last[name]
		switch {
		case service.Run != w.run:
		case service.Task:
			names[name] = "its task is done"
		case planned == nil:
			names[name] = "the plan does not have it any more"
		case planned.fate == fateRemoved:
			names[name] = "the plan removes it"
		}
	}
	for name := range w.halfMade {
		if w.services[name] == nil {
			names[name] = "an interrupted replacement was found"
		}
	}
	return names
}

// removeLeftovers removes the run's containers that the plan does not have: services that left it, tasks that were kept
// to be looked at, half-made replacements. Persistent directories stay.
func (x *execution) removeLeftovers(ctx context.Context) error {
	names := leftovers(x.world, x.order)
	if len(names) > 0 {
		// That an apply is under way is on record first, so that the next one looks for what this one leaves if it is cut off.
		if err := x.store.flush(ctx); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(aheadLimit)
	for _, name := range sortedKeys(names) {
		if service := x.world.service(name); service == nil || !service.Task {
			x.note(-1, kindService, name, verdict{ActionRemove, names[name]})
		}
		group.Go(func() error { return x.dropService(ctx, name) })
	}
	for _, name := range x.traces() {
		// Nobody sees anything of it, but an interruption may have left what only the backend knows.
		if _, found := names[name]; !found {
			group.Go(func() error { return x.engine.backend.RemoveService(ctx, x.request.Enclave, name) })
		}
	}
	return group.Wait()
}

// traces names services that an apply which was cut off has on record, that the plan does not have, and of which there is
// no container.
func (x *execution) traces() []string {
	names := map[string]bool{}
	if !x.interrupted {
		return nil
	}
	x.store.mutex.Lock()
	defer x.store.mutex.Unlock()
	for _, key := range slices.Concat(sortedKeys(x.store.record.Services), sortedKeys(x.store.record.Intents)) {
		name, _, _ := strings.Cut(key, additionMark)
		if x.order.last[name] == nil && x.world.service(name) == nil {
			names[name] = true
		}
	}
	return sortedKeys(names)
}

// finish resolves the output and leaves in the record exactly what the plan has.
func (x *execution) finish(ctx context.Context) error {
	output, err := plan.ResolveAny(x.plan.Output, x.world, true)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	if err := x.settle(ctx); err != nil {
		return err
	}
	if err := x.sweep(ctx); err != nil {
		return err
	}
	steps := x.stepIDs()
	var obsolete []string
	x.store.change(func(r *record) {
		before := r.contents()
		r.Output, r.Complete = typedValue{output}, true
		r.Intents, r.Artifacts, r.Pending = map[string]string{}, copyMap(x.own), nil
		r.Neighbours = x.world.neighbours()
		slices.Sort(x.compared)
		r.Verified = slices.Compact(x.compared)
		maps.DeleteFunc(r.Steps, func(id string, _ *stepRecord) bool { return !steps[id] })
		maps.DeleteFunc(r.Images, func(key string, _ *imageRecord) bool { return !x.images[key] })
		maps.DeleteFunc(r.Borrowed, func(name, _ string) bool {
			_, used := x.world.borrowed[name]
			return !used
		})
		maps.DeleteFunc(r.Services, func(key string, service *serviceRecord) bool {
			service.Place = x.placeInPlan(key) // Instructions may have moved since it was made.
			return service.Place == 0
		})
		after := r.contents()
		for _, digest := range sortedKeys(before) {
			if !after[digest] {
				obsolete = append(obsolete, digest)
			}
		}
		r.Pending = slices.Clone(obsolete)
	})
	if err := x.store.flush(ctx); err != nil || len(obsolete) == 0 {
		return err
	}
	if err := x.engine.dropContents(ctx, x.request.Enclave, x.request.Run, x.request.Owner, obsolete); err != nil {
		return err
	}
	// They are forgotten only now, so that nobody loses sight of them.
	return x.store.now(ctx, func(r *record) { r.Pending = nil })
}

// sweep has the backend remove what an apply that was cut off has left behind services. As long as that has not been done,
// the run is not complete, so that it is done again.
func (x *execution) sweep(ctx context.Context) error {
	sweeping, ok := x.engine.backend.(enclave.Sweeping)
	if !ok || !x.interrupted {
		return nil
	}
	return sweeping.Sweep(ctx, x.request.Enclave)
}

// placeInPlan is the place of the instruction that adds a service, counted from 1; zero where none does.
func (x *execution) placeInPlan(key string) int {
	for i, planned := range x.order.added {
		for _, service := range planned {
			if service.key == key {
				return i + 1
			}
		}
	}
	return 0
}

// stepIDs gives the IDs of all imperative instructions of the plan.
func (x *execution) stepIDs() map[string]bool {
	ids := map[string]bool{}
	for i := range x.plan.Instructions {
		if id := stepID(x.plan.Instructions[i].Operation); id != "" {
			ids[id] = true
		}
	}
	for _, id := range x.order.steps {
		ids[id] = true
	}
	return ids
}

// settle looks once more at what was started: a service may have failed after it was ready, or done its work.
func (x *execution) settle(ctx context.Context) error {
	x.mutex.Lock()
	changed := x.changed
	x.mutex.Unlock()
	if !changed {
		return nil
	}
	snapshot, err := x.engine.backend.Observe(ctx, x.request.Enclave)
	if err != nil {
		return err
	}
	x.mutex.Lock()
	x.settled = snapshot
	x.mutex.Unlock()
	var failures []error
	for _, name := range sortedKeys(x.order.last) {
		planned := x.order.last[name]
		service, found := snapshot.Services[name]
		if planned.fate != fateRunning || !found || !hasEnded(&service) {
			continue
		}
		if err := x.refresh(ctx, name); err != nil {
			failures = append(failures, x.placed(planned.instruction, err))
			continue
		}
		if err := x.failedEnd(ctx, planned.spec); err != nil {
			failures = append(failures, x.placed(planned.instruction, err))
			continue
		}
		x.store.change(func(r *record) {
			if known := r.Services[planned.key]; known != nil {
				known.Completed = true
			}
		})
	}
	return errors.Join(failures...)
}

// result tells what holds now. It works on a detached context, so that an interrupted apply is told, too.
func (x *execution) result(ctx context.Context, seen *observation, failure error) (*Result, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	if failure != nil {
		x.store.change(func(r *record) { r.noteFailure(x.redact.Replace(failure.Error())) })
	}
	if err := x.store.flush(ctx); err != nil {
		failure = errors.Join(failure, fmt.Errorf("record run %q: %w", x.request.Run, err))
	}
	snapshot := seen.snapshot
	if x.settled != nil && failure == nil {
		snapshot = x.settled
	} else if x.changed || failure != nil {
		current, err := x.engine.backend.Observe(ctx, x.request.Enclave)
		if err != nil {
			failure = errors.Join(failure, fmt.Errorf("observe enclave %q: %w", x.request.Enclave, err))
			snapshot = x.world.snapshot()
		} else {
			snapshot = current
		}
	}
	x.store.mutex.Lock()
	defer x.store.mutex.Unlock()
	result := resultOf(x.request.Run, snapshot, x.store.record)
	x.fill(result)
	return result, failure
}
