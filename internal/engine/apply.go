package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

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
// unless nothing was touched because the enclave could not be observed or the request was refused. A run of another owner,
// or a service name of another run, is an *enclave.OwnedError; a failure of an instruction is an *Error.
func (e *Engine) Apply(ctx context.Context, request Request) (*Result, error) {
	if err := checkNames(request); err != nil {
		return nil, err
	}
	if err := CheckPlan(e.backend, request.Plan); err != nil {
		return nil, err
	}
	order, err := itineraryOf(request.Plan)
	if err != nil {
		return nil, err
	}
	asked, err := demandsOf(request, order)
	if err != nil {
		return nil, err
	}
	if result := e.unchanged(ctx, request, order, asked); result != nil {
		return result, nil
	}
	unlock, err := e.lock(ctx, request.Enclave, lockOf(request.Run), request.Owner)
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
	x := e.newExecution(ctx, request, order, asked, seen)
	x.tell(eventApply, request.Run, eventStarted, "")
	failure := x.apply(ctx)
	result, failure := x.result(ctx, seen, failure)
	x.tellEnd(result, failure)
	return result, failure
}

func (e *Engine) newExecution(ctx context.Context, request Request, order *itinerary, asked *demands, seen *observation) *execution {
	known := seen.recordFor(request.Run, request.Owner, time.Now())
	// The store changes its record; what was observed stays as it was seen.
	mutable := *known
	mutable.Intents, mutable.Services = copyMap(known.Intents), map[string]*serviceRecord{}
	for key, service := range known.Services {
		copied := *service
		mutable.Services[key] = &copied
	}
	mutable.Pending, mutable.Verified = slices.Clone(known.Pending), slices.Clone(known.Verified)
	mutable.Once, mutable.Neighbours = copyMap(known.Once), copyMap(known.Neighbours)
	mutable.Images = copyMap(known.Images)
	mutable.Steps, mutable.Artifacts, mutable.Borrowed = copyMap(known.Steps), copyMap(known.Artifacts), copyMap(known.Borrowed)
	x := &execution{
		engine: e, request: request, plan: request.Plan, order: order, world: newWorld(request.Run, seen),
		store:  newRecordStore(e.backend, request.Enclave, &mutable, seen.record != nil),
		redact: redactor(request.Plan, request.Secrets), messages: map[int]string{}, decisions: map[string]Decision{}, own: map[string]string{}, images: map[string]bool{},
		interrupted: seen.record != nil && !known.Complete,
	}
	x.decider = newDecider(request.Plan, order, x.world, seen.snapshot.Enclave.Key, asked, recalled{x.store.service, x.store.step, x.store.once, x.store.verified, namesakesIn(known)})
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
	if err := x.checkCapacity(ctx); err != nil {
		return err
	}
	if err := x.checkAdmission(ctx); err != nil {
		return err
	}
	x.store.change(func(r *record) { r.Complete, r.Failure = false, "" })
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
