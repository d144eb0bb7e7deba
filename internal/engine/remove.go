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
	names := map[string]bool{}
	for name, service := range seen.snapshot.Services {
		if service.Run == run {
			names[name] = true
		}
	}
	for i := range seen.snapshot.Extra {
		extra := &seen.snapshot.Extra[i]
		if owner, found := seen.snapshot.Services[extra.Name]; extra.Run == run && (!found || owner.Run == run) {
			names[extra.Name] = true
		}
	}
	failures := make([]error, len(names))
	var group errgroup.Group
	group.SetLimit(aheadLimit)
	for i, name := range sortedKeys(names) {
		group.Go(func() error {
			if failures[i] = e.backend.RemoveService(ctx, enclaveName, name); failures[i] != nil {
				failures[i] = fmt.Errorf("service %q: %w", name, failures[i])
			}
			return nil // The others are removed as well.
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := errors.Join(failures...); err != nil || seen.record == nil {
		return err
	}
	// The record goes last: until then the next attempt knows what there is.
	left, contents := seen.record.afterRemoval(), seen.record.contents()
	if left != nil {
		for digest := range left.contents() {
			delete(contents, digest)
		}
	}
	if err := e.dropContents(ctx, enclaveName, run, seen.record.Owner, sortedKeys(contents)); err != nil {
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
