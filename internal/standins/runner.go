// Package standins runs the forker's containers (stand-ins, and production's own services as containers) as services of
// an enclave. It translates and decides nothing.
package standins

import (
	"context"
	"errors"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// Runner carries a fork's containers out as the run "fork/<name>" of one enclave.
type Runner struct {
	engine  *engine.Engine
	enclave string
	owner   string
}

// NewRunner makes a runner for one enclave.
func NewRunner(engine *engine.Engine, enclave, owner string) *Runner {
	return &Runner{engine: engine, enclave: enclave, owner: owner}
}

var _ forker.Runner = (*Runner)(nil)

// RunName is the name of the run that a fork's containers are.
func RunName(fork string) string { return "fork/" + fork }

// Apply implements forker.Runner.
func (r *Runner) Apply(ctx context.Context, fork string, containers []forker.Container) (map[string]forker.ContainerState, error) {
	plan, err := toPlan(fork, containers)
	if err != nil {
		return nil, err
	}
	result, err := r.engine.Apply(ctx, engine.Request{
		Enclave: r.enclave, Run: RunName(fork), Owner: r.owner, Plan: plan, Images: enclave.ImageMissing,
	})
	var states map[string]forker.ContainerState
	if result != nil {
		states = toStates(result)
	}
	if err != nil {
		return states, fmt.Errorf("run the fork's containers in enclave %q: %w", r.enclave, translate(err, containers))
	}
	return states, nil
}

// Observe implements forker.Runner.
func (r *Runner) Observe(ctx context.Context, fork string) (map[string]forker.ContainerState, error) {
	result, err := r.engine.Observe(ctx, r.enclave, RunName(fork))
	switch {
	case errors.Is(err, engine.ErrNoRun), errors.Is(err, enclave.ErrNotFound):
		return map[string]forker.ContainerState{}, nil
	case err != nil:
		return nil, fmt.Errorf("observe the fork's containers in enclave %q: %w", r.enclave, err)
	}
	return toStates(result), nil
}

// Remove implements forker.Runner.
func (r *Runner) Remove(ctx context.Context, fork string) error {
	err := r.engine.Remove(ctx, r.enclave, RunName(fork))
	if err != nil && !errors.Is(err, engine.ErrNoRun) && !errors.Is(err, enclave.ErrNotFound) {
		return fmt.Errorf("remove the fork's containers from enclave %q: %w", r.enclave, err)
	}
	return nil
}

func toStates(result *engine.Result) map[string]forker.ContainerState {
	states := make(map[string]forker.ContainerState, len(result.Services))
	for name, service := range result.Services {
		state := forker.ContainerState{
			Status: service.Status, Hostname: service.Hostname, Addresses: map[string]string{}, URLs: map[string]string{},
		}
		for id, port := range service.Ports {
			if port.HostPort == 0 {
				continue
			}
			state.Addresses[id] = port.Address()
			if url := port.HostURL(); url != "" {
				state.URLs[id] = url
			}
		}
		states[name] = state
	}
	return states
}
