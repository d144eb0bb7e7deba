package kubernetes

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// An API server that restarts refuses connections for some seconds. What was refused so was never sent, whatever it asks for,
// so it can be sent again; an address at which nobody has ever answered is more likely wrong.
const (
	absencePatience = 30 * time.Second
	absencePause    = 250 * time.Millisecond
)

// rolesPatience is how long an API server that was away may refuse what it will allow: it has not read the roles yet.
const rolesPatience = 10 * time.Second

// send sends a request, again while an API server that has answered before is away, or does not know yet who may do what.
func (c *connection) send(ctx context.Context, call call) (rest.Result, error) {
	deadline := time.Now().Add(absencePatience)
	for {
		request, err := c.request(call)
		if err != nil {
			return rest.Result{}, err
		}
		answer := request.Do(ctx)
		again := false
		switch failure := answer.Error(); {
		case isUnsent(failure):
			c.awayAt.Store(time.Now().UnixNano())
			again = c.answered.Load() && time.Now().Before(deadline)
		case apierrors.IsForbidden(failure):
			c.answered.Store(true)
			again = time.Since(time.Unix(0, c.awayAt.Load())) < rolesPatience
		default:
			if _, failed := errors.AsType[*url.Error](failure); !failed {
				c.answered.Store(true)
			}
		}
		if again = again && pause(ctx, absencePause) == nil; !again {
			return answer, nil
		}
	}
}

// isUnsent tells that nobody listens at the API server's address.
func isUnsent(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// nodePatience is how long the node of a pod that runs may take no requests for it: a kubelet that restarts is back in some
// seconds, and knows its pods some seconds later.
const nodePatience = 20 * time.Second

// untilNodeAnswers does again what the node of a pod has refused without having begun it.
func untilNodeAnswers(ctx context.Context, work func() error) error {
	for deadline := time.Now().Add(nodePatience); ; {
		err := work()
		if err == nil || !isNodeAway(err) || time.Now().After(deadline) || pause(ctx, absencePause) != nil {
			return err
		}
	}
}

// isNodeAway tells that a kubelet is away, or has not learnt of its pods yet: the API server passes its refusal on in words alone.
func isNodeAway(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unable to upgrade connection: pod does not exist") ||
		strings.Contains(text, "error dialing backend") && strings.Contains(text, "connection refused")
}
