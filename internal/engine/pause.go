package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Stop stops every service of an enclave; files, names and addresses stay. The services that the plan started last are
// asked to end first, and several end at the same time. It waits for applies that are under way. It gives the names of
// the services that it stopped, in that order, also with an error.
func (e *Engine) Stop(ctx context.Context, enclaveName string) ([]string, error) {
	unlock, err := e.lockRuns(ctx, enclaveName)
	if err != nil {
		return nil, err
	}
	defer unlock()
	waves, err := e.waves(ctx, enclaveName, func(s *Service) bool {
		return s.State == enclave.StateRunning || s.State == enclave.StateStarting
	})
	if err != nil {
		return nil, err
	}
	services := slices.Concat(waves...)
	slices.Reverse(services)
	return e.each(enclaveName, services, "stop", func(service *enclave.Service) error {
		return e.backend.StopService(ctx, enclaveName, service.Name)
	})
}

// Start starts the services of an enclave that stand still although their plans leave them running, in the order of
// their plans; those that one instruction adds start together. With wait, a service is started only once the ports of
// those before it are open that their plans wait for; ready conditions are the next apply's. It gives the names of the
// services that it started, in that order, also with an error.
func (e *Engine) Start(ctx context.Context, enclaveName string, wait bool) ([]string, error) {
	unlock, err := e.lockRuns(ctx, enclaveName)
	if err != nil {
		return nil, err
	}
	defer unlock()
	waves, err := e.waves(ctx, enclaveName, func(s *Service) bool {
		return !s.Holds && (s.State == enclave.StateStopped || s.State == enclave.StateExited)
	})
	if err != nil {
		return nil, err
	}
	var done []string
	var failures []error
	for _, wave := range waves {
		started, err := e.each(enclaveName, wave, "start", func(service *enclave.Service) error {
			started, err := e.backend.StartService(ctx, enclaveName, service.Name)
			if err != nil || !wait {
				return err
			}
			return e.awaitOpen(ctx, enclaveName, started)
		})
		done, failures = append(done, started...), append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return done, errors.Join(failures...)
}

// each does something to services, several at the same time. One that fails does not keep the others from their turn.
func (e *Engine) each(enclaveName string, services []*enclave.Service, step string, do func(*enclave.Service) error) ([]string, error) {
	failures := make([]error, len(services))
	var group errgroup.Group
	group.SetLimit(aheadLimit)
	for i, service := range services {
		group.Go(func() error {
			tell := func(status, message string) {
				e.events(Event{Time: time.Now(), Enclave: enclaveName, Run: service.Run, Step: step, Object: service.Name, Status: status, Message: message})
			}
			tell(eventStarted, "")
			failures[i] = do(service)
			tell(outcomeOf(failures[i]), messageOf(failures[i]))
			return nil // The others have their turn as well.
		})
	}
	_ = group.Wait() // The functions keep their errors themselves.
	var done []string
	for i, service := range services {
		if failures[i] == nil {
			done = append(done, service.Name)
		}
	}
	return done, errors.Join(failures...)
}

// waves gives the chosen services of all runs in the order of their plans; those that one instruction adds are together.
// Runs follow one another as they were started. A record of an earlier version does not tell the order: then it is that
// of the services' starts, and each is alone.
func (e *Engine) waves(ctx context.Context, enclaveName string, chosen func(*Service) bool) ([][]*enclave.Service, error) {
	inspection, err := e.Inspect(ctx, enclaveName)
	if err != nil {
		return nil, err
	}
	var runs [][]*turn
	for _, run := range inspection.Runs {
		var turns []*turn
		for _, name := range sortedKeys(run.Services) {
			service := run.Services[name]
			if !chosen(&service) {
				continue
			}
			// A snapshot does not always tell when a service was started.
			found, err := e.backend.Service(ctx, enclaveName, name)
			if err != nil {
				return nil, err
			}
			turns = append(turns, &turn{found, service.place})
		}
		slices.SortStableFunc(turns, (*turn).compare)
		if len(turns) > 0 {
			runs = append(runs, turns)
		}
	}
	slices.SortStableFunc(runs, func(a, b []*turn) int { return a[0].service.StartedAt.Compare(b[0].service.StartedAt) })
	var waves [][]*enclave.Service
	for _, turns := range runs {
		for i, next := range turns {
			if i > 0 && next.place > 0 && next.place == turns[i-1].place {
				waves[len(waves)-1] = append(waves[len(waves)-1], next.service)
				continue
			}
			waves = append(waves, []*enclave.Service{next.service})
		}
	}
	return waves, nil
}

// turn is a service and its place in the order of its plan; zero where that is not known.
type turn struct {
	service *enclave.Service
	place   int
}

func (t *turn) compare(other *turn) int {
	if t.place > 0 && other.place > 0 {
		return t.place - other.place
	}
	return t.service.StartedAt.Compare(other.service.StartedAt)
}
