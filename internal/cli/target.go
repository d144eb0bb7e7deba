package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// onService finds the service that a command is about.
func (f *backendFlag) onService(t *tools, enclaveName, service string) (enclave.Backend, string, error) {
	carrier, name, err := f.named(t, enclaveName)
	if err != nil {
		return nil, "", err
	}
	if err := enclave.CheckServiceName(service); err != nil {
		return nil, "", &ExitError{Code: ExitUsage, Err: err}
	}
	return carrier, name, nil
}

// missing explains an error of a command on an enclave, or on a service in it: where the name is wrong, it tells which
// there are and which may have been meant.
func missing(ctx context.Context, backend enclave.Backend, name, service string, err error) error {
	if err == nil || !errors.Is(err, enclave.ErrNotFound) {
		return explained(err)
	}
	snapshot, lookErr := backend.Observe(ctx, name)
	switch {
	case errors.Is(lookErr, enclave.ErrNotFound):
		return failed(fmt.Errorf("enclave %q: %w%s: `sundog enclave ls` lists the enclaves", name, enclave.ErrNotFound, didYouMean(name, enclaveNames(ctx, backend))))
	case lookErr != nil || service == "":
		return explained(err)
	case snapshot.Services[service].Name != "":
		return explained(err) // It is there: something else is not.
	}
	var known []string
	for _, found := range sortedServices(snapshot) {
		known = append(known, found.Name)
	}
	has := "the enclave has no services"
	if len(known) > 0 {
		has = "the enclave has " + strings.Join(known, ", ")
	}
	return failed(fmt.Errorf("service %q in enclave %q: %w%s: %s", service, name, enclave.ErrNotFound, didYouMean(service, known), has))
}
