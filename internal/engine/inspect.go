package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Inspection is an enclave with everything that is known of its runs.
type Inspection struct {
	Enclave enclave.Enclave
	// Runs are sorted by name; their services and artifacts are all that the enclave has.
	Runs []*Result
}

// Inspect tells what is in an enclave, whoever made it. An enclave that is not there is enclave.ErrNotFound.
func (e *Engine) Inspect(ctx context.Context, enclaveName string) (*Inspection, error) {
	snapshot, err := e.backend.Observe(ctx, enclaveName)
	if err != nil {
		return nil, fmt.Errorf("observe enclave %q: %w", enclaveName, err)
	}
	names, err := e.runsOf(ctx, snapshot)
	if err != nil {
		return nil, fmt.Errorf("list the runs of enclave %q: %w", enclaveName, err)
	}
	inspection := &Inspection{Enclave: snapshot.Enclave, Runs: make([]*Result, len(names))}
	records := make([]*record, len(names))
	var stored []string
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(aheadLimit)
	group.Go(func() (err error) {
		stored, err = e.backend.ListArtifacts(groupContext, enclaveName)
		return err
	})
	for i, name := range names {
		group.Go(func() error {
			known, err := readRecord(groupContext, e.backend, enclaveName, name)
			if err != nil {
				return fmt.Errorf("read run %q of enclave %q: %w", name, enclaveName, err)
			}
			if known != nil && known.Removed {
				known = nil
			}
			if known == nil && !holdsAny(snapshot, name) {
				return nil
			}
			records[i] = known
			inspection.Runs[i] = resultOf(name, snapshot, known)
			return e.lookAtEnds(groupContext, enclaveName, inspection.Runs[i])
		})
	}
	if err = group.Wait(); err != nil {
		return nil, err
	}
	for i, result := range inspection.Runs {
		if result != nil {
			result.Outdated = outdated(result.Run, &observation{snapshot: snapshot, record: records[i], stored: stored}, allBut(records, i))
		}
	}
	inspection.Runs = slices.DeleteFunc(inspection.Runs, func(result *Result) bool { return result == nil })
	return inspection, nil
}

// allBut gives the records but one, and without the places of runs that have none.
func allBut(records []*record, left int) []*record {
	var others []*record
	for i, other := range records {
		if i != left && other != nil {
			others = append(others, other)
		}
	}
	return others
}

// holdsAny tells whether a run has any container, tasks included.
func holdsAny(snapshot *enclave.Snapshot, run string) bool {
	for _, service := range snapshot.Services {
		if service.Run == run {
			return true
		}
	}
	return false
}

// lookAtEnds finds out how services have ended that failed, as a snapshot does not tell all of it.
func (e *Engine) lookAtEnds(ctx context.Context, enclaveName string, run *Result) error {
	for _, name := range sortedKeys(run.Services) {
		service := run.Services[name]
		if service.State != enclave.StateExited || service.ExitCode == 0 {
			continue
		}
		found, err := e.backend.Service(ctx, enclaveName, name)
		if errors.Is(err, enclave.ErrNotFound) {
			continue // It was removed meanwhile.
		}
		if err != nil {
			return err
		}
		if found.ID == service.ID && found.State == service.State {
			service.Service, service.Status = *found, statusOf(found)
			run.Services[name] = service
		}
	}
	return nil
}

// runsOf names the runs of which there is a record or a container, sorted.
func (e *Engine) runsOf(ctx context.Context, snapshot *enclave.Snapshot) ([]string, error) {
	records, err := e.backend.ListRecords(ctx, snapshot.Enclave.Name, recordPrefix)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, record := range records {
		names[strings.TrimPrefix(record, recordPrefix)] = true
	}
	for _, service := range snapshot.Services {
		if service.Run != "" {
			names[service.Run] = true
		}
	}
	return sortedKeys(names), nil
}
