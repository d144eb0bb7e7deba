package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// isExit tells whether a recipe asks for the end of a process.
func isExit(recipe plan.Recipe) bool {
	_, exits := recipe.(*plan.ExitRecipe)
	return exits
}

// awaitExit waits until a service's process has come to its end and judges how. An end is final, so one that does not
// fulfil the condition is a failure at once.
func (x *execution) awaitExit(ctx context.Context, service string, condition plan.Condition) (map[string]any, error) {
	start := time.Now()
	pause := shortestPause
	for {
		if ended := x.ended(ctx, service); ended != nil {
			return x.judgeExit(ctx, ended, condition)
		}
		left := condition.Timeout - time.Since(start)
		if ctx.Err() == nil && left <= 0 {
			return nil, x.explain(ctx, service, fmt.Errorf("the process of service %q did not come to its end within %s", service, condition.Timeout))
		}
		if err := sleep(ctx, min(pause, left)); err != nil {
			return nil, x.explain(ctx, service, fmt.Errorf("interrupted while waiting for the process of service %q to come to its end: %w", service, err))
		}
		pause = min(time.Duration(float64(pause)*pauseGrowth), longestPause)
	}
}

func (x *execution) judgeExit(ctx context.Context, ended *enclave.Service, condition plan.Condition) (map[string]any, error) {
	if ended.State == enclave.StateExited {
		x.world.setService(ended.Name, ended)
		fields := map[string]any{fieldCode: int64(ended.ExitCode)}
		ok, err := holdsTrue(fields[condition.Field], condition.Assertion, condition.Target)
		if err != nil {
			return nil, &serviceError{ended.Name, err}
		}
		if ok && !ended.OutOfMemory {
			return fields, nil
		}
	}
	return nil, x.explain(ctx, ended.Name, fmt.Errorf("service %q %s, and %s %s %s was waited for",
		ended.Name, endedHow(ended), condition.Field, condition.Assertion, shown(condition.Target)))
}
