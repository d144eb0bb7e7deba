package engine

import (
	"context"
	"fmt"
)

// View is an enclave and one run as they were at one moment, with all that a comparison needs: comparing asks no
// backend any more. It is never changed.
type View struct {
	run    string
	seen   *observation
	others []*record
	// newer names images that have moved on in their registries, where that was asked.
	newer map[string]bool
}

// View looks at a run. A run that left no trace is ErrNoRun, an enclave that is not there enclave.ErrNotFound.
func (e *Engine) View(ctx context.Context, enclaveName, run string) (*View, error) {
	view := &View{run: run}
	var err error
	if view.seen, err = e.observe(ctx, enclaveName, run); err != nil {
		return nil, fmt.Errorf("observe run %q in enclave %q: %w", run, enclaveName, err)
	}
	if view.seen.record == nil && len(resultOf(run, view.seen.snapshot, nil).Services) == 0 {
		return nil, fmt.Errorf("run %q in enclave %q: %w", run, enclaveName, ErrNoRun)
	}
	if view.seen.record != nil && len(view.seen.record.Borrowed) > 0 {
		if view.others, err = e.otherRecords(ctx, enclaveName, run); err != nil {
			return nil, fmt.Errorf("observe what run %q borrows in enclave %q: %w", run, enclaveName, err)
		}
	}
	return view, nil
}

// Result tells how the run is: the services of its record against what is there.
func (v *View) Result() *Result {
	result := resultOf(v.run, v.seen.snapshot, v.seen.record)
	result.Outdated = outdated(v.run, v.seen, v.others)
	result.markNewer(v.newer)
	return result
}

// Diff tells what an apply would do and why, as far as that was to be seen.
func (v *View) Diff(request Request) ([]Decision, error) {
	if err := checkNames(request); err != nil {
		return nil, err
	}
	if err := v.seen.checkOwner(request.Run, request.Owner); err != nil {
		return nil, err
	}
	return decisionsOf(request, v)
}
