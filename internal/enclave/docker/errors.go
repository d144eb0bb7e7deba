package docker

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// daemonError is an error of the engine, without the client's preamble.
type daemonError struct{ err error }

func (e *daemonError) Error() string {
	return strings.TrimPrefix(e.err.Error(), "Error response from daemon: ")
}

func (e *daemonError) Unwrap() error { return e.err }

// missingError is an answer of the engine that something is not there.
type missingError struct{ daemonError }

func (e *missingError) Is(target error) bool { return target == enclave.ErrNotFound }

// translate turns an error of the client into one of the enclave package's: not there, could not ask, or the engine's
// own words. It keeps "gone" and "could not ask" apart: only an answer of the engine is ErrNotFound.
func (c *connection) translate(err error) error {
	var operation *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case client.IsErrConnectionFailed(err), errors.As(err, &operation) && operation.Op == "dial":
		return &enclave.UnreachableError{Endpoint: c.endpoint.Host, Chosen: c.endpoint.Chosen, Err: err}
	case errdefs.IsNotFound(err):
		return &missingError{daemonError{err}}
	default:
		return &daemonError{err}
	}
}

// ignoreMissing makes the removal of something that is not there a success; so does a removal that is under way already.
func ignoreMissing(err error) error {
	if errdefs.IsNotFound(err) || isBeingRemoved(err) {
		return nil
	}
	return err
}

func isBeingRemoved(err error) bool {
	return err != nil && strings.Contains(err.Error(), "is already in progress")
}
