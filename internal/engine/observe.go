package engine

import (
	"context"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// observation is an enclave and the record of one run at one moment.
type observation struct {
	snapshot *enclave.Snapshot
	// record is nil for a run that has none.
	record *record
	// removed is what was kept in mind of a run that was removed.
	removed *record
	stored  []string
}

// recordFor gives the record from which a run goes on.
func (o *observation) recordFor(run, owner string, now time.Time) *record {
	switch {
	case o.record != nil:
		return o.record
	case o.removed != nil:
		begun := o.removed.renewed(owner)
		begun.CreatedAt = now.UTC().Truncate(time.Second)
		return begun
	default:
		return newRecord(run, owner, now)
	}
}

// observe reads everything that a decision needs by a constant number of calls. An enclave that is not there is
// enclave.ErrNotFound; a backend that cannot be asked is an error, never an empty enclave.
func (e *Engine) observe(ctx context.Context, name, run string) (*observation, error) {
	seen := &observation{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		seen.snapshot, err = e.backend.Observe(ctx, name)
		return err
	})
	group.Go(func() (err error) {
		seen.record, err = readRecord(ctx, e.backend, name, run)
		if seen.record != nil && seen.record.Removed {
			seen.record, seen.removed = nil, seen.record
		}
		return err
	})
	group.Go(func() (err error) {
		seen.stored, err = e.backend.ListArtifacts(ctx, name)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return seen, nil
}

// checkOwner refuses a run of another owner, whether its record or only its containers tell.
func (o *observation) checkOwner(run, owner string) error {
	if o.record != nil {
		if o.record.Owner != owner {
			return &enclave.OwnedError{Kind: "run", Name: run, Owner: o.record.Owner, CreatedAt: o.record.CreatedAt}
		}
		return nil
	}
	for _, name := range sortedKeys(o.snapshot.Services) {
		if service := o.snapshot.Services[name]; service.Run == run && service.Owner != owner {
			return &enclave.OwnedError{Kind: "run", Name: run, Owner: service.Owner, CreatedAt: service.CreatedAt}
		}
	}
	return nil
}

// Observe tells how a run is: the services of its record against what is there. A run that left no trace is ErrNoRun, an
// enclave that is not there enclave.ErrNotFound.
func (e *Engine) Observe(ctx context.Context, enclaveName, run string) (*Result, error) {
	view, err := e.View(ctx, enclaveName, run)
	if err != nil {
		return nil, err
	}
	return view.Result(), nil
}

// resultOf puts together what is recorded of a run and what is there.
func resultOf(run string, snapshot *enclave.Snapshot, known *record) *Result {
	result := &Result{Run: run, Services: map[string]Service{}, Artifacts: map[string]string{}, Operations: map[string]int{}}
	for name, service := range snapshot.Services {
		if service.Run == run && !service.Task {
			result.Services[name] = Service{Service: service, Status: statusOf(&service)}
		}
	}
	if known == nil {
		return result
	}
	result.Owner, result.CreatedAt, result.Complete, result.Failure = known.Owner, known.CreatedAt, known.Complete, known.Failure
	result.Output = known.Output.value
	maps.Copy(result.Artifacts, known.Artifacts)
	for name, recorded := range known.Services {
		if service, found := result.Services[name]; found {
			service.Holds, service.place = holds(&service.Service, recorded), recorded.Place
			switch {
			case service.Holds && service.State == enclave.StateExited && recorded.Fate != fateStopped:
				service.Status = StatusCompleted
			case !service.Holds && service.State == enclave.StateRunning:
				service.Status = unsettled(&service.Service, recorded)
			}
			result.Services[name] = service
			continue
		}
		if recorded.Fate == fateRemoved || isEarlierAddition(name) {
			continue
		}
		missing := enclave.Service{Name: name, Run: run, Owner: known.Owner, Digest: recorded.Digest, State: StateMissing, Hostname: recorded.Hostname, IPAddress: recorded.IPAddress, Ports: map[string]enclave.PublishedPort{}}
		result.Services[name] = Service{Service: missing, Status: string(StateMissing)}
	}
	return result
}

// unsettled says of a running service why it is not as its plan left it.
func unsettled(service *enclave.Service, recorded *serviceRecord) string {
	switch {
	case service.ID != recorded.ContainerID:
		return "replaced"
	case recorded.Failed:
		return "failed"
	case recorded.Readiness == "":
		return "not ready"
	default:
		return statusOf(service)
	}
}

// holds tells whether a service is as its plan left it.
func holds(service *enclave.Service, recorded *serviceRecord) bool {
	if service.ID != recorded.ContainerID || recorded.Readiness == "" {
		return false
	}
	switch service.State {
	case enclave.StateRunning:
		return recorded.Fate == fateRunning
	case enclave.StateStopped:
		return recorded.Fate == fateStopped
	case enclave.StateExited:
		return recorded.Fate == fateStopped || recorded.Completed && service.ExitCode == 0
	case enclave.StateCreated, enclave.StateStarting, enclave.StateRemoving:
	}
	return false
}

// detachTime bounds what is still done after a context has ended.
const detachTime = 30 * time.Second

// detached gives a context in which a result can still be told and cleaned up after ctx has ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), detachTime)
}
