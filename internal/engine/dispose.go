package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// ErrSpared tells that an enclave was left alone, because it is not any more what its removal was asked for.
var ErrSpared = errors.New("the enclave was left alone: it has changed meanwhile")

// Dispose removes an enclave with everything in it, once no apply of any of its runs is under way. Still is asked then
// whether the enclave is what its removal was asked for; nil stands for any. An enclave that is not there is success.
func (e *Engine) Dispose(ctx context.Context, enclaveName string, still func(*enclave.Enclave) bool) error {
	err := e.dispose(ctx, enclaveName, still)
	if errors.Is(err, enclave.ErrNotFound) {
		if _, lookErr := e.backend.Enclave(ctx, enclaveName); errors.Is(lookErr, enclave.ErrNotFound) {
			// What a removal that was interrupted has left carries the enclave's label and goes as well.
			err = e.backend.RemoveEnclave(ctx, enclaveName)
		}
	}
	if err != nil {
		return fmt.Errorf("remove enclave %q: %w", enclaveName, err)
	}
	return nil
}

func (e *Engine) dispose(ctx context.Context, name string, still func(*enclave.Enclave) bool) error {
	unlock, err := e.lockRuns(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	found, err := e.backend.Enclave(ctx, name)
	if err != nil {
		return err
	}
	if still != nil && !still(found) {
		return ErrSpared
	}
	return e.backend.RemoveEnclave(ctx, name)
}

// lockRuns waits until no apply of any run of an enclave is under way, and holds them all off.
func (e *Engine) lockRuns(ctx context.Context, name string) (unlock func(), err error) {
	var held []func()
	unlock = func() {
		for _, release := range held {
			release()
		}
	}
	inspection, err := e.Inspect(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, run := range inspection.Runs {
		release, err := e.backend.Lock(ctx, name, lockOf(run.Run), holder(""))
		if err != nil {
			unlock()
			return nil, fmt.Errorf("wait for run %q in enclave %q: %w", run.Run, name, err)
		}
		held = append(held, release)
	}
	return unlock, nil
}
