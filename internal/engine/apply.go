package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// holder says who holds a lock, for the one who waits for it.
func holder(owner string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	process := fmt.Sprintf("process %d on %s", os.Getpid(), host)
	if owner == "" {
		return process
	}
	return fmt.Sprintf("owner %q, %s", owner, process)
}

func lockOf(run string) string { return "run/" + run }

// checkNames refuses names that no backend could hold.
func checkNames(request Request) error {
	if err := enclave.CheckName(request.Enclave); err != nil {
		return err
	}
	if request.Run == "" || request.Plan == nil {
		return errors.New("an apply needs the name of a run and a plan")
	}
	for i := range request.Plan.Instructions {
		add, ok := request.Plan.Instructions[i].Operation.(*plan.AddServices)
		if !ok {
			continue
		}
		for j := range add.Services {
			if err := enclave.CheckServiceName(add.Services[j].Name); err != nil {
				return instructionError(&request.Plan.Instructions[i], err)
			}
		}
	}
	return nil
}

// Apply brings a run to its plan and removes what the plan does not have any more. What succeeded stays, whatever
// happens, and the next apply goes on from there; so the result, what holds now, is not nil even if there is an error,
// unless nothing was touched because the enclave could not be observed or the request was refused. A run of another owner, or a service name of another run, is an *enclave.OwnedError; a failure of
// an instruction is an *Error.
func (e *Engine) Apply(ctx context.Context, request Request) (*Result, error) {
	if err := checkNames(request); err != nil {
		return nil, err
	}
	order, err := itineraryOf(request.Plan)
	if err != nil {
		return nil, err
	}
	unlock, err := e.backend.Lock(ctx, request.Enclave, lockOf(request.Run), holder(request.Owner))
	if err != nil {
		return nil, fmt.Errorf("apply run %q in enclave %q: %w", request.Run, request.Enclave, err)
	}
	defer unlock()
	seen, err := e.observe(ctx, request.Enclave, request.Run)
	if err != nil {
		return nil, fmt.Errorf("apply run %q in enclave %q: %w", request.Run, request.Enclave, err)
	}
	if err := seen.checkOwner(request.Run, request.Owner); err != nil {
		return nil, err
	}
	x := e.newExecution(ctx, request, order, seen)
	failure := x.apply(ctx)
	return x.result(ctx, seen, failure)
}

func (e *Engine) newExecution(ctx context.Context, request Request, order *itinerary, seen *observation) *execution {
	known := seen.record
	if known == nil {
		known = newRecord(request.Run, request.Owner, time.Now())
	}
	// The store changes its record; what was observed stays as it was seen.
	mutable := *known
	mutable.Intents, mutable.Services = copyMap(known.Intents), map[string]*serviceRecord{}
	for key, service := range known.Services {
		copied := *service
		mutable.Services[key] = &copied
	}
	mutable.Pending = slices.Clone(known.Pending)
	mutable.Steps, mutable.Artifacts, mutable.Borrowed = copyMap(known.Steps), copyMap(known.Artifacts), copyMap(known.Borrowed)
	x := &execution{
		engine: e, request: request, plan: request.Plan, order: order, world: newWorld(request.Run, seen),
		store:  newRecordStore(e.backend, request.Enclave, &mutable, seen.record != nil),
		redact: redactor(request.Plan, request.Secrets), messages: map[int]string{}, decisions: map[string]Decision{}, own: map[string]string{},
	}
	x.decider = newDecider(request.Plan, order, x.world, seen.snapshot.Enclave.Key, x.store.service, x.store.step)
	x.ahead = newAhead(ctx, x, seen)
	return x
}

// copyMap copies a map; the copy of none is empty.
func copyMap[V any](m map[string]V) map[string]V {
	copied := make(map[string]V, len(m))
	maps.Copy(copied, m)
	return copied
}

// apply carries the plan out and leaves the record as what holds.
func (x *execution) apply(ctx context.Context) error {
	defer x.ahead.stop()
	if err := x.refuseForeign(); err != nil {
		return err
	}
	x.store.change(func(r *record) { r.Complete = false })
	if err := x.ensureImages(ctx); err != nil {
		return err
	}
	if err := x.ahead.begin(ctx); err != nil {
		return err
	}
	if err := x.walk(ctx); err != nil {
		return err
	}
	if err := x.removeLeftovers(ctx); err != nil {
		return err
	}
	return x.finish(ctx)
}

// refuseForeign finds services of other runs under the plan's names before anything is touched.
func (x *execution) refuseForeign() error {
	for i := range x.plan.Instructions {
		for _, planned := range x.order.added[i] {
			if err := x.ownService(planned.spec.Name); err != nil {
				return x.placed(i, err)
			}
		}
	}
	return nil
}

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
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(aheadLimit)
	for _, name := range sortedKeys(names) {
		if service := x.world.service(name); service == nil || !service.Task {
			x.note(-1, kindService, name, verdict{ActionRemove, names[name]})
		}
		group.Go(func() error { return x.dropService(ctx, name) })
	}
	return group.Wait()
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
	steps := x.stepIDs()
	var obsolete []string
	x.store.change(func(r *record) {
		before := r.contents()
		r.Output, r.Complete = typedValue{output}, true
		r.Intents, r.Artifacts, r.Pending = map[string]string{}, copyMap(x.own), nil
		for id := range r.Steps {
			if !steps[id] {
				delete(r.Steps, id)
			}
		}
		for name := range r.Borrowed {
			if _, used := x.world.borrowed[name]; !used {
				delete(r.Borrowed, name)
			}
		}
		for key := range r.Services {
			if !x.isPlanned(key) {
				delete(r.Services, key)
			}
		}
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

func (x *execution) isPlanned(key string) bool {
	for _, planned := range x.order.added {
		for _, service := range planned {
			if service.key == key {
				return true
			}
		}
	}
	return false
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
	if err := x.store.flush(ctx); err != nil {
		failure = errors.Join(failure, fmt.Errorf("record run %q: %w", x.request.Run, err))
	}
	snapshot := seen.snapshot
	if x.changed || failure != nil {
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
