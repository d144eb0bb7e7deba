package docker

import (
	"context"
	"time"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// resizePause and resizeAttempts bound how often a size is told: the engine refuses it until the command has been started.
const (
	resizePause    = 20 * time.Millisecond
	resizeAttempts = 50
)

// followSize keeps the size of a command's terminal that of the caller's. A size that cannot be set is no reason to end
// the command.
func (c *connection) followSize(ctx context.Context, id string, terminal *enclave.Terminal) {
	c.resize(ctx, id, terminal.Size)
	for {
		select {
		case <-ctx.Done():
			return
		case size, more := <-terminal.Resizes:
			if !more {
				return
			}
			c.resize(ctx, id, size)
		}
	}
}

func (c *connection) resize(ctx context.Context, id string, size enclave.TerminalSize) {
	if size.Width <= 0 || size.Height <= 0 {
		return
	}
	for range resizeAttempts {
		_, err := c.ExecResize(ctx, id, client.ExecResizeOptions{Width: uint(size.Width), Height: uint(size.Height)})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(resizePause):
		}
	}
}
