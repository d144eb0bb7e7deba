package engine

import (
	"errors"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// CheckPlan refuses a plan that a backend cannot carry out, as far as that is known without asking anybody: at plan time,
// and before anything is made. Every image that there is no way to is one error.
func CheckPlan(backend enclave.Backend, p *plan.Plan) error {
	checker, ok := backend.(enclave.ImageChecker)
	if !ok {
		return nil
	}
	var failures []error
	for _, needed := range neededImages(p, "") {
		if err := checker.CheckImage(needed.image); err != nil {
			failures = append(failures, instructionError(&p.Instructions[needed.instruction], &serviceError{needed.service, err}))
		}
	}
	return errors.Join(failures...)
}
