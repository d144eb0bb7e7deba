package docker

import (
	"context"
	"time"
)

// cleanupTime bounds what is tidied up after a caller has given up.
const cleanupTime = 30 * time.Second

// detach gives a context for tidying up that outlives the caller's.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}
