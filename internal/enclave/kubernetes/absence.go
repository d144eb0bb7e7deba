package kubernetes

import (
	"context"
	"errors"
	"net/url"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
)

// An API server that restarts refuses connections for some seconds. What was refused so was never sent, whatever it asks for,
// so it can be sent again; an address at which nobody has ever answered is more likely wrong.
const (
	absencePatience = 30 * time.Second
	absencePause    = 250 * time.Millisecond
)

// send sends a request, again while an API server that has answered before is away.
func (c *connection) send(ctx context.Context, call call) (rest.Result, error) {
	deadline := time.Now().Add(absencePatience)
	for {
		request, err := c.request(call)
		if err != nil {
			return rest.Result{}, err
		}
		answer := request.Do(ctx)
		if !isUnsent(answer.Error()) {
			if _, failed := errors.AsType[*url.Error](answer.Error()); !failed {
				c.answered.Store(true)
			}
			return answer, nil
		}
		again := c.answered.Load() && time.Now().Before(deadline) && pause(ctx, absencePause) == nil
		if !again {
			return answer, nil
		}
	}
}

// isUnsent tells that nobody listens at the API server's address.
func isUnsent(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
