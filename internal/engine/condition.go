package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// grace is how much longer than its timeout a condition's last attempt may take.
const grace = 1.25

// shortestInterval keeps a condition that names no interval from asking a service without end.
const shortestInterval = 10 * time.Millisecond

// await repeats a resolved recipe until the condition holds and gives the last answer. A service that has ended cannot
// fulfil anything any more, so that is not waited for.
func (x *execution) await(ctx context.Context, service string, recipe plan.Recipe, condition plan.Condition) (map[string]any, error) {
	if isExit(recipe) {
		return x.awaitExit(ctx, service, condition)
	}
	start := time.Now()
	attemptContext, cancel := context.WithTimeout(ctx, time.Duration(float64(condition.Timeout)*grace))
	defer cancel()
	last := errors.New("answer: none")
	for tries := 1; ; tries++ {
		began := time.Now()
		fields, lacking := x.attempt(attemptContext, service, recipe, condition)
		if lacking == nil {
			return fields, nil
		}
		if attemptContext.Err() == nil || tries == 1 {
			// What an interrupted attempt says is only that it was interrupted.
			last = lacking
		}
		what := fmt.Sprintf("%s %s %s", condition.Field, condition.Assertion, shown(condition.Target))
		if ctx.Err() != nil {
			return nil, x.explain(ctx, service, fmt.Errorf("interrupted while waiting for %s, after %d tries: %w; last %w", what, tries, ctx.Err(), last))
		}
		if ended := x.ended(ctx, service); ended != nil {
			return nil, x.explain(ctx, service, fmt.Errorf("service %q %s before %s held; last %w", service, endedHow(ended), what, last))
		}
		left := condition.Timeout - time.Since(start)
		if left <= 0 {
			return nil, x.explain(ctx, service, fmt.Errorf("%s did not hold within %s, after %d tries; last %w", what, condition.Timeout, tries, last))
		}
		// The time of an attempt counts into the interval, and the last attempt is at the very end.
		pause := max(condition.Interval, shortestInterval) - time.Since(began)
		if err := sleep(ctx, min(pause, left)); err != nil {
			return nil, x.explain(ctx, service, fmt.Errorf("interrupted while waiting for %s, after %d tries: %w; last %w", what, tries, err, last))
		}
	}
}

// attempt asks once; the error says what is lacking.
func (x *execution) attempt(ctx context.Context, service string, recipe plan.Recipe, condition plan.Condition) (map[string]any, error) {
	fields, err := x.engine.ask(ctx, x.request.Enclave, x.world, service, recipe)
	value, found := fields[condition.Field]
	if !found {
		if err != nil {
			return nil, fmt.Errorf("failure: %w", err)
		}
		return nil, fmt.Errorf("answer: it has no field %q, only %s", condition.Field, quoted(sortedKeys(fields)))
	}
	if err != nil {
		return nil, fmt.Errorf("failure: %w", err)
	}
	ok, err := holdsTrue(value, condition.Assertion, condition.Target)
	if err != nil {
		return nil, fmt.Errorf("failure: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("value: %s", shorten(shown(value)))
	}
	return fields, nil
}

// ended gives a service whose process is not there any more, or nil.
func (x *execution) ended(ctx context.Context, name string) *enclave.Service {
	service, err := x.engine.backend.Service(ctx, x.request.Enclave, name)
	if errors.Is(err, enclave.ErrNotFound) {
		return &enclave.Service{Name: name, State: StateMissing}
	}
	if err != nil || service.State != enclave.StateExited && service.State != enclave.StateStopped {
		// Not knowing is no reason to give up: the wait has its own end.
		return nil
	}
	return service
}

// endedHow says in words how a service came to its end.
func endedHow(service *enclave.Service) string {
	switch {
	case service.State == StateMissing:
		return "was removed"
	case service.OutOfMemory:
		return fmt.Sprintf("ran out of memory and was killed (exit code %d)", service.ExitCode)
	case service.State == enclave.StateStopped:
		return "was stopped"
	default:
		return fmt.Sprintf("exited with code %d", service.ExitCode)
	}
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, duration time.Duration) error {
	if duration <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
