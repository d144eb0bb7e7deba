package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Stop stops every service of an enclave, the one that was started last first; files, names and addresses stay. It waits
// for applies that are under way. It gives the names of the services that it stopped, in that order, also with an error.
func (e *Engine) Stop(ctx context.Context, enclaveName string) ([]string, error) {
	return e.pause(ctx, enclaveName, true, func(s *Service) bool {
		return s.State == enclave.StateRunning || s.State == enclave.StateStarting
	}, e.backend.StopService)
}

// Start starts the services of an enclave that stand still although their plans leave them running, in the order in
// which they were started before. Whether they get ready is not awaited; the next apply of their run does that. It gives
// the names of the services that it started, in that order, also with an error.
func (e *Engine) Start(ctx context.Context, enclaveName string) ([]string, error) {
	return e.pause(ctx, enclaveName, false, func(s *Service) bool {
		return !s.Holds && (s.State == enclave.StateStopped || s.State == enclave.StateExited)
	}, func(ctx context.Context, name, service string) error {
		_, err := e.backend.StartService(ctx, name, service)
		return err
	})
}

// pause does something to the services that it chooses, while no apply of any run is under way. One that fails does not
// keep the others from their turn.
func (e *Engine) pause(ctx context.Context, name string, backwards bool, chosen func(*Service) bool, do func(ctx context.Context, enclave, service string) error) ([]string, error) {
	unlock, err := e.lockRuns(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now, err := e.Inspect(ctx, name)
	if err != nil {
		return nil, err
	}
	services, err := e.inOrder(ctx, now, chosen)
	if err != nil {
		return nil, err
	}
	if backwards {
		slices.Reverse(services)
	}
	var done []string
	var failures []error
	for _, service := range services {
		if err := do(ctx, name, service.Name); err != nil {
			failures = append(failures, err)
			continue
		}
		done = append(done, service.Name)
	}
	return done, errors.Join(failures...)
}

// inOrder gives the chosen services of all runs in the order of their starts, of which a snapshot does not always tell.
func (e *Engine) inOrder(ctx context.Context, inspection *Inspection, chosen func(*Service) bool) ([]*enclave.Service, error) {
	var services []*enclave.Service
	for _, run := range inspection.Runs {
		for _, name := range sortedKeys(run.Services) {
			if service := run.Services[name]; !chosen(&service) {
				continue
			}
			found, err := e.backend.Service(ctx, inspection.Enclave.Name, name)
			if err != nil {
				return nil, err
			}
			services = append(services, found)
		}
	}
	slices.SortStableFunc(services, func(a, b *enclave.Service) int { return a.StartedAt.Compare(b.StartedAt) })
	return services, nil
}
