package forker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Destroy removes a fork: its containers, then the copies in reverse order, then the record. It deletes only what is in
// the record, carries the fork's tags and belongs to the sandbox account, goes on after failures, and can be called
// again. That the fork is not there is ErrNotFound.
func (f *Forker) Destroy(ctx context.Context, fork string, runner Runner) error {
	if err := f.needSandbox(); err != nil {
		return err
	}
	if err := f.sandbox.Check(ctx); err != nil {
		return err
	}
	record, err := f.loadRecord(ctx, fork)
	if err != nil {
		return err
	}
	entries := record.all()
	var failures []error
	// Containers were started last, and go first: they use what is deleted next.
	if runner != nil {
		if err := runner.Remove(ctx, fork); err != nil {
			failures = append(failures, fmt.Errorf("remove the containers of fork %q: %w", fork, err))
			// Their entries stay, so that the fork still knows that it has containers.
			entries = slices.DeleteFunc(entries, func(one entry) bool { return one.Container })
		}
	} else if slices.ContainsFunc(entries, func(one entry) bool { return one.Container }) {
		failures = append(failures, fmt.Errorf("the fork %q has containers, but no enclave was given to remove them from", fork))
		entries = slices.DeleteFunc(entries, func(one entry) bool { return one.Container })
	}
	if err := joinByKey(f.deleteAll(ctx, record, entries)); err != nil {
		failures = append(failures, err)
	}
	if err := errors.Join(append(failures, ctx.Err())...); err != nil {
		return err
	}
	f.event(fork, "", "record", "deleted", "")
	return record.store.Drop(ctx, fork)
}

// joinByKey joins failures in the order of their keys.
func joinByKey(failures map[string]error) error {
	var joined []error
	for _, key := range slices.Sorted(maps.Keys(failures)) {
		joined = append(joined, fmt.Errorf("%s: %w", key, failures[key]))
	}
	return errors.Join(joined...)
}
