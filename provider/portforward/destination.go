package portforward

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/forward"
)

// errAway tells that there is nobody to ask about the port yet.
var errAway = errors.New("the service is away")

// awayError says why.
type awayError struct{ reason string }

func (e *awayError) Error() string { return e.reason }

// Is implements the interface of errors.Is.
func (e *awayError) Is(target error) bool { return target == errAway }

// destination is the port that connections go to.
type destination struct {
	backend                enclave.Backend
	enclave, service, port string
}

// transport is what the port's text says, as it must be known before the service is.
func (d *destination) transport() string {
	if strings.HasSuffix(strings.ToLower(d.port), "/udp") {
		return "udp"
	}
	return "tcp"
}

// ready waits until the port accepts. An error that is errAway tells that the service is not there or does not run.
func (d *destination) ready(ctx context.Context, timeout time.Duration) (*enclave.PublishedPort, error) {
	found, err := d.find(ctx)
	if err != nil {
		return nil, err
	}
	if found.State != enclave.StateRunning && found.State != enclave.StateStarting {
		return nil, &awayError{fmt.Sprintf("service %q in enclave %q does not run: its state is %s", d.service, d.enclave, found.State)}
	}
	target, err := forward.Find(found, d.port)
	if err != nil {
		return nil, err
	}
	if target.Transport != d.transport() {
		return nil, fmt.Errorf("port %q of service %q speaks %s: say so by port = %q", d.port, d.service, strings.ToUpper(target.Transport), d.port+"/"+target.Transport)
	}
	port := found.Ports[target.ID]
	if target.Transport == "udp" {
		return &port, nil // Nobody can tell whether a datagram would be read.
	}
	return &port, d.await(ctx, target, timeout)
}

// await waits for the port to accept.
func (d *destination) await(ctx context.Context, target forward.Target, timeout time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for {
		conn, err := d.backend.Dial(bounded, d.enclave, d.service, target.Transport, target.Number)
		if err == nil {
			return conn.Close()
		}
		if last == nil || bounded.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-bounded.Done():
			return fmt.Errorf("the port did not accept within %s: %w\n\nSee what the service says: `sundog logs %s %s`; timeout says how long to wait", timeout, last, d.enclave, d.service)
		case <-time.After(lookPause):
		}
	}
}

// find looks for the service. That it is not there is a reason of its own, as is that the enclave is not.
func (d *destination) find(ctx context.Context) (*enclave.Service, error) {
	found, err := d.backend.Service(ctx, d.enclave, d.service)
	if err == nil || !errors.Is(err, enclave.ErrNotFound) {
		return found, err
	}
	snapshot, err := d.backend.Observe(ctx, d.enclave)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("there is no service %q in enclave %q", d.service, d.enclave)
	if names := slices.Sorted(maps.Keys(snapshot.Services)); len(names) > 0 {
		text += ", which has " + strings.Join(names, ", ")
	}
	return nil, &awayError{text}
}

// forwarder joins connections with the port. Which one that is is found out again when it is not reached, as the service may
// be another one by then.
func (d *destination) forwarder(patience time.Duration) *forward.Forwarder {
	var known atomic.Pointer[forward.Target]
	return &forward.Forwarder{Patience: patience, Dial: func(ctx context.Context) (net.Conn, error) {
		target := known.Load()
		if target == nil {
			found, err := d.find(ctx)
			if err != nil {
				return nil, err
			}
			now, err := forward.Find(found, d.port)
			if err != nil {
				return nil, err
			}
			target = &now
		}
		conn, err := d.backend.Dial(ctx, d.enclave, d.service, target.Transport, target.Number)
		if err != nil {
			known.Store(nil)
			return nil, err
		}
		known.Store(target)
		return conn, nil
	}}
}
