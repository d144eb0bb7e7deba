package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Polls are fast at first: most services are ready in no time, and a plan may have hundreds.
const (
	shortestPause = time.Millisecond
	longestPause  = 500 * time.Millisecond
	pauseGrowth   = 1.5
)

// unreadyError tells that a started service did not open its ports or ended. It is told apart from an unmet ready
// condition, which leaves the service as it is.
type unreadyError struct{ err error }

func (e *unreadyError) Error() string { return e.err.Error() }
func (e *unreadyError) Unwrap() error { return e.err }

// conditionError tells that a service runs and its ports are open, but that its ready condition does not hold.
type conditionError struct{ err error }

func (e *conditionError) Error() string { return e.err.Error() }
func (e *conditionError) Unwrap() error { return e.err }

// awaitPorts waits until every port of a service that is to be waited for is open, each within its own time.
func (x *execution) awaitPorts(ctx context.Context, spec *plan.ServiceSpec) error {
	start := time.Now()
	for _, id := range sortedKeys(spec.Ports) {
		port := spec.Ports[id]
		if port.Wait <= 0 {
			continue
		}
		if port.Transport == "SCTP" {
			x.warn(fmt.Sprintf("service %q: port %q is SCTP, which cannot be checked, so it is not waited for", spec.Name, id))
			continue
		}
		if err := x.awaitPort(ctx, spec.Name, id, port, start); err != nil {
			return &unreadyError{err}
		}
	}
	return nil
}

func (x *execution) awaitPort(ctx context.Context, service, id string, port plan.Port, start time.Time) error {
	transport := strings.ToLower(port.Transport)
	what := fmt.Sprintf("port %q (%d/%s) of service %q", id, port.Number, transport, service)
	pause := shortestPause
	var last error
	for {
		err := x.dialOnce(ctx, service, transport, port, start)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			if last == nil {
				last = errors.New("none was made")
			}
			return &serviceError{service, fmt.Errorf("interrupted while waiting for %s to open: %w; last attempt: %w", what, ctx.Err(), last)}
		}
		if last == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
			last = err // The time of the very last attempt is short: what earlier ones met says more.
		}
		if ended := x.ended(ctx, service); ended != nil {
			return x.explain(ctx, service, fmt.Errorf("service %q %s before its port %q (%d/%s) was open", service, endedHow(ended), id, port.Number, transport))
		}
		if time.Since(start) >= port.Wait {
			return x.explain(ctx, service, fmt.Errorf("%s was not open within %s; last attempt: %w", what, port.Wait, last))
		}
		if err := sleep(ctx, min(pause, port.Wait-time.Since(start))); err != nil {
			continue // The next attempt tells it with the cause of the last one.
		}
		pause = min(time.Duration(float64(pause)*pauseGrowth), longestPause)
	}
}

// dialTime bounds one attempt, so that an address that swallows packets does not use the whole time up.
const dialTime = 2 * time.Second

func (x *execution) dialOnce(ctx context.Context, service, transport string, port plan.Port, start time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, max(shortestPause, min(dialTime, port.Wait-time.Since(start))))
	defer cancel()
	conn, err := x.engine.backend.Dial(ctx, x.request.Enclave, service, transport, port.Number)
	if err != nil {
		return err
	}
	return conn.Close()
}

// awaitReady waits until a started service counts as ready: its ports are open and its ready condition holds.
func (x *execution) awaitReady(ctx context.Context, spec *plan.ServiceSpec) error {
	done := x.event("wait", spec.Name, "")
	err := x.awaitPorts(ctx, spec)
	if err == nil && spec.Ready != nil {
		err = x.awaitCondition(ctx, spec)
	}
	if err == nil {
		err = x.checkAlive(ctx, spec)
	}
	done(err)
	return err
}

func (x *execution) awaitCondition(ctx context.Context, spec *plan.ServiceSpec) error {
	recipe, err := resolveRecipe(spec.Ready.Recipe, x.world)
	if err != nil {
		return &serviceError{spec.Name, fmt.Errorf("ready condition: %w", err)}
	}
	condition, err := resolveCondition(spec.Ready.Condition, x.world)
	if err != nil {
		return &serviceError{spec.Name, fmt.Errorf("ready condition: %w", err)}
	}
	if _, err := x.await(ctx, spec.Name, recipe, condition); err != nil {
		return &conditionError{fmt.Errorf("service %q did not become ready: %w", spec.Name, err)}
	}
	return nil
}

// checkAlive finds a service that is not waited for and has failed already. One that ended with success may be meant to.
func (x *execution) checkAlive(ctx context.Context, spec *plan.ServiceSpec) error {
	service, err := x.engine.backend.Service(ctx, x.request.Enclave, spec.Name)
	if err != nil {
		return &serviceError{spec.Name, err}
	}
	x.world.setService(spec.Name, service)
	if failed := x.failedEnd(ctx, spec); failed != nil {
		return &unreadyError{failed}
	}
	return nil
}

// failedEnd gives an error for a service that has ended although it should not have, as the world knows it.
func (x *execution) failedEnd(ctx context.Context, spec *plan.ServiceSpec) error {
	service := x.world.service(spec.Name)
	if service == nil || !hasEnded(service) {
		return nil
	}
	if mayEnd(spec) && service.ExitCode == 0 && !service.OutOfMemory {
		return nil
	}
	return x.explain(ctx, spec.Name, fmt.Errorf("service %q %s after it was started", spec.Name, endedHow(service)))
}

// mayEnd tells whether a service may be one whose process does its work and ends: nothing waits for it, or only for
// its end.
func mayEnd(spec *plan.ServiceSpec) bool {
	if spec.Ready != nil && !isExit(spec.Ready.Recipe) {
		return false
	}
	for _, port := range spec.Ports {
		if port.Wait > 0 {
			return false
		}
	}
	return true
}

func isUnready(err error) bool {
	_, found := errors.AsType[*unreadyError](err)
	return found
}
