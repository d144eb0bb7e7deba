// Package standins runs a fork's containers as the run fork/<fork> of an enclave. It translates between the forker,
// which says what the containers should be, and the engine, which makes them so; it decides nothing itself.
package standins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// RunName is the name of the run that a fork's containers are.
func RunName(fork string) string { return "fork/" + fork }

// NewRunner gives a runner that runs forks' containers in one enclave.
func NewRunner(engine *engine.Engine, enclave, owner string) forker.Runner {
	return &runner{engine: engine, enclave: enclave, owner: owner}
}

type runner struct {
	engine  *engine.Engine
	enclave string
	owner   string
}

// Apply implements forker.Runner. What runs is told also when there is an error.
func (r *runner) Apply(ctx context.Context, fork string, containers []forker.Container) (map[string]forker.ContainerState, error) {
	planned, err := planOf(fork, containers)
	if err != nil {
		return nil, err
	}
	result, err := r.engine.Apply(ctx, engine.Request{
		Enclave: r.enclave, Run: RunName(fork), Owner: r.owner, Plan: planned, Images: enclave.ImageMissing, Secrets: secretsOf(containers),
	})
	return statesOf(result), translate(err, containers)
}

// Observe implements forker.Runner.
func (r *runner) Observe(ctx context.Context, fork string) (map[string]forker.ContainerState, error) {
	result, err := r.engine.Observe(ctx, r.enclave, RunName(fork))
	if errors.Is(err, engine.ErrNoRun) || errors.Is(err, enclave.ErrNotFound) {
		return map[string]forker.ContainerState{}, nil
	}
	if err != nil {
		return nil, err
	}
	return statesOf(result), nil
}

// Remove implements forker.Runner.
func (r *runner) Remove(ctx context.Context, fork string) error {
	return r.engine.Remove(ctx, r.enclave, RunName(fork))
}

// secretsOf gives values of a fork's containers that must not show in errors: rewritten configurations hold passwords
// under names that only their programs know.
func secretsOf(containers []forker.Container) []string {
	var secrets []string
	for i := range containers {
		for _, value := range containers[i].VolatileEnv {
			secrets = append(secrets, value)
		}
	}
	return secrets
}

func statesOf(result *engine.Result) map[string]forker.ContainerState {
	states := map[string]forker.ContainerState{}
	if result == nil {
		return states
	}
	for name, service := range result.Services {
		state := forker.ContainerState{Status: service.Status, Hostname: service.Hostname, Addresses: map[string]string{}, URLs: map[string]string{}}
		for id, port := range service.Ports {
			if port.HostPort == 0 {
				continue
			}
			state.Addresses[id] = net.JoinHostPort(port.Host, strconv.Itoa(port.HostPort))
			if port.Application != "" {
				state.URLs[id] = port.Application + "://" + state.Addresses[id]
			}
		}
		states[name] = state
	}
	return states
}

// ContainerError is a failure of one container, with the key of the resource that it stands for.
type ContainerError struct {
	Key       string
	Container string
	Err       error
}

// Error gives key, container and cause.
func (e *ContainerError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("container %q: %v", e.Container, e.Err)
	}
	return fmt.Sprintf("%s (container %q): %v", e.Key, e.Container, e.Err)
}

// Unwrap gives the cause.
func (e *ContainerError) Unwrap() error { return e.Err }

// ResourceKey gives the key of the resource that the container stands for.
func (e *ContainerError) ResourceKey() string { return e.Key }

// translate names the resources' keys in an engine's errors.
func translate(err error, containers []forker.Container) error {
	if err == nil {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // Only a join at the top is taken apart.
		var translated []error
		for _, one := range several.Unwrap() {
			translated = append(translated, translate(one, containers))
		}
		return errors.Join(translated...)
	}
	failure, ok := errors.AsType[*engine.Error](err)
	if !ok {
		return err
	}
	for i := range containers {
		if containers[i].Name == failure.Service {
			return &ContainerError{Key: containers[i].Key, Container: failure.Service, Err: err}
		}
	}
	return err
}
