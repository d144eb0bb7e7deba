package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// waitNotice is how long a lock is waited for in silence: most are held for a moment only.
const waitNotice = 2 * time.Second

// tellingBackend is a backend that tells the user when the command stands still because it waits for somebody else.
type tellingBackend struct {
	enclave.Backend
	notices io.Writer
	silence time.Duration
}

func (t *tools) telling(backend enclave.Backend, notices io.Writer) enclave.Backend {
	return &tellingBackend{Backend: backend, notices: notices, silence: t.silence}
}

// Lock implements enclave.Enclaves. Who holds the lock is known once the waiting ends.
func (b *tellingBackend) Lock(ctx context.Context, name, lock, holder string) (unlock func(), err error) {
	notice := time.AfterFunc(b.silence, func() {
		what := "the lock " + lock
		if run, found := strings.CutPrefix(lock, "run/"); found {
			what = fmt.Sprintf("another apply of the run %q", run)
		}
		fmt.Fprintf(b.notices, "Waiting for %s in the enclave %q. An interruption ends this and tells whose it is.\n", what, name)
	})
	defer notice.Stop()
	return b.Backend.Lock(ctx, name, lock, holder)
}

// Capacity implements enclave.Measured; zero stands for what the backend does not know.
func (b *tellingBackend) Capacity(ctx context.Context) (enclave.Capacity, error) {
	if measured, ok := b.Backend.(enclave.Measured); ok {
		return measured.Capacity(ctx)
	}
	return enclave.Capacity{}, nil
}
