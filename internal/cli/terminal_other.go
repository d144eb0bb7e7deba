//go:build !unix

package cli

import (
	"context"
	"os"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// sizeInterval is how often a terminal is asked for its size where no signal tells that it has changed.
const sizeInterval = time.Second

// resizes tells a terminal's size whenever it changes.
func resizes(ctx context.Context, terminal *os.File) <-chan enclave.TerminalSize {
	sizes := make(chan enclave.TerminalSize)
	go func() {
		last := sizeOf(terminal)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(sizeInterval):
			}
			now := sizeOf(terminal)
			if now == last {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case sizes <- now:
				last = now
			}
		}
	}()
	return sizes
}
