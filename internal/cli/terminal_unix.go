//go:build unix

package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// resizes tells a terminal's size whenever it changes.
func resizes(ctx context.Context, terminal *os.File) <-chan enclave.TerminalSize {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	sizes := make(chan enclave.TerminalSize)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			select {
			case <-ctx.Done():
				return
			case sizes <- sizeOf(terminal):
			}
		}
	}()
	return sizes
}
