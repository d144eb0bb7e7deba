package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// checkAdmission refuses services and tasks that the enclave will not take, all of them at once and before anything is
// made: otherwise the first ones would run by the time that the last one is refused.
func (x *execution) checkAdmission(ctx context.Context) error {
	admitting, ok := x.engine.backend.(enclave.Admitting)
	if !ok {
		return nil
	}
	var specs []plan.ServiceSpec
	var places []int
	var kinds []string
	for i := range x.plan.Instructions {
		switch operation := x.plan.Instructions[i].Operation.(type) {
		case *plan.AddServices:
			for _, service := range operation.Services {
				specs, places, kinds = append(specs, service), append(places, i), append(kinds, "service")
			}
		case *plan.RunTask:
			specs, places, kinds = append(specs, operation.Service), append(places, i), append(kinds, "task")
		}
	}
	if len(specs) == 0 {
		return nil
	}
	refusals, err := admitting.Admit(ctx, x.request.Enclave, specs)
	if err != nil {
		return err
	}
	var failures []error
	for n, refusal := range refusals {
		if refusal != nil {
			failures = append(failures, x.placed(places[n], &serviceError{specs[n].Name, fmt.Errorf("%s %q: %w", kinds[n], specs[n].Name, refusal)}))
		}
	}
	return errors.Join(failures...)
}
