package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// ErrSpared tells that an enclave was left alone, because it is not any more what its removal was asked for.
var ErrSpared = errors.New("the enclave was left alone: it has changed meanwhile")

// Disposal says how an enclave is removed; all may be left out.
type Disposal struct {
	// Patience bounds how long applies that are under way are waited for; zero means as long as the context lasts.
	Patience time.Duration
	// Still is asked, once none is under way, whether the enclave is what its removal was asked for.
	Still func(*enclave.Enclave) bool
}

// Dispose removes an enclave with everything in it, once no apply of any of its runs is under way. An enclave that is not
// there is success; what may be left of it is not touched, as nothing tells here whose it is.
func (e *Engine) Dispose(ctx context.Context, enclaveName string, disposal Disposal) error {
	err := e.dispose(ctx, enclaveName, disposal)
	if errors.Is(err, enclave.ErrNotFound) {
		// A part of an enclave that is not found is no proof that the whole is gone.
		if _, lookErr := e.backend.Enclave(ctx, enclaveName); errors.Is(lookErr, enclave.ErrNotFound) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("remove enclave %q: %w", enclaveName, err)
	}
	return nil
}

func (e *Engine) dispose(ctx context.Context, name string, disposal Disposal) error {
	patient := ctx
	if disposal.Patience > 0 {
		var cancel context.CancelFunc
		patient, cancel = context.WithTimeout(ctx, disposal.Patience)
		defer cancel()
	}
	unlock, err := e.lockRuns(patient, name)
	if err != nil {
		return err
	}
	defer unlock()
	found, err := e.backend.Enclave(ctx, name)
	if err != nil {
		return err
	}
	if disposal.Still != nil && !disposal.Still(found) {
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
		release, err := e.lock(ctx, name, lockOf(run.Run), "")
		if err != nil {
			unlock()
			return nil, fmt.Errorf("wait for run %q in enclave %q: %w", run.Run, name, err)
		}
		held = append(held, release)
	}
	return unlock, nil
}
