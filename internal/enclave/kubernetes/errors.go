package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// translate gives errors the backend's words. What the API server says stays readable as what it is.
func (c *connection) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if apierrors.IsUnauthorized(err) {
			return fmt.Errorf("the API server at %s (chosen by %s) does not know who asks: %w: the token, certificate or password is wrong or has ended; renew it, or name another user", c.config.Host, c.chosen, err)
		}
		return err
	}
	_, byURL := errors.AsType[*url.Error](err)
	_, byNet := errors.AsType[net.Error](err)
	if byURL || byNet {
		return c.unreachable(err)
	}
	return err
}

func ignoreMissing(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func noEnclave(name string) error {
	return fmt.Errorf("enclave %q: %w", name, enclave.ErrNotFound)
}

// isGone tells that an object cannot be made as its namespace is not there, or is going.
func isGone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// inEnclave translates the error of making something in an enclave.
func inEnclave(name string, err error) error {
	if isGone(err) {
		return noEnclave(name)
	}
	return err
}
