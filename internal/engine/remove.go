package engine

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Remove removes exactly what belongs to a run: its services, its tasks' containers, its files artifacts that no other
// run needs, and, last of all, its record. Persistent directories stay until the enclave goes, and so it
// stays on record which instructions ran that are to run only once. A run or an enclave that
// is not there is success.
func (e *Engine) Remove(ctx context.Context, enclaveName, run string) error {
	err := e.remove(ctx, enclaveName, run)
	if errors.Is(err, enclave.ErrNotFound) {
		// Somebody may have removed the enclave meanwhile; but a part of it that is not found is no proof of that.
		if _, lookErr := e.backend.Enclave(ctx, enclaveName); errors.Is(lookErr, enclave.ErrNotFound) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("remove run %q from enclave %q: %w", run, enclaveName, err)
	}
	return nil
}

func (e *Engine) remove(ctx context.Context, enclaveName, run string) error {
	unlock, err := e.lock(ctx, enclaveName, lockOf(run), "")
	if err != nil {
		return err
	}
	defer unlock()
	seen, err := e.observe(ctx, enclaveName, run)
	if err != nil {
		return err
	}
	if err := e.removeServices(ctx, enclaveName, servicesOf(seen.snapshot, run)); err != nil || seen.record == nil {
		return err
	}
	// The record goes last: until then the next attempt knows what there is.
	return e.forget(ctx, enclaveName, run, seen.record)
}

// servicesOf names what a run has in an enclave, containers of tasks and half-made ones included, sorted.
func servicesOf(snapshot *enclave.Snapshot, run string) []string {
	names := map[string]bool{}
	for name, service := range snapshot.Services {
		if service.Run == run {
			names[name] = true
		}
	}
	for i := range snapshot.Extra {
		extra := &snapshot.Extra[i]
		if owner, found := snapshot.Services[extra.Name]; extra.Run == run && (!found || owner.Run == run) {
			names[extra.Name] = true
		}
	}
	return sortedKeys(names)
}

// removeServices removes all of them, whatever happens to one.
func (e *Engine) removeServices(ctx context.Context, enclaveName string, names []string) error {
	failures := make([]error, len(names))
	var group errgroup.Group
	group.SetLimit(aheadLimit)
	for i, name := range names {
		group.Go(func() error {
			if err := e.backend.RemoveService(ctx, enclaveName, name); err != nil {
				failures[i] = fmt.Errorf("service %q: %w", name, err)
			}
			return nil
		})
	}
	_ = group.Wait() // The functions keep their errors themselves.
	return errors.Join(failures...)
}

// forget removes what a run has stored, and its record but for what has to be kept in mind.
func (e *Engine) forget(ctx context.Context, enclaveName, run string, known *record) error {
	left, contents := known.afterRemoval(), known.contents()
	if left != nil {
		for digest := range left.contents() {
			delete(contents, digest)
		}
	}
	if err := e.dropContents(ctx, enclaveName, run, known.Owner, sortedKeys(contents)); err != nil {
		return err
	}
	if left == nil {
		return e.backend.RemoveRecord(ctx, enclaveName, recordName(run))
	}
	content, err := left.encode()
	if err != nil {
		return err
	}
	return e.backend.WriteRecord(ctx, enclaveName, recordName(run), content)
}
