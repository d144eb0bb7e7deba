package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// checkCapacity refuses services that ask for more than the machine has, before anything is made. Docker does not
// reserve what a service asks for, so that what all of them ask for together is no more than worth a warning.
func (x *execution) checkCapacity(ctx context.Context) error {
	measured, ok := x.engine.backend.(enclave.Measured)
	if !ok || !x.asksForResources() {
		return nil
	}
	has, err := measured.Capacity(ctx)
	if err != nil {
		return err
	}
	var failures []error
	var all enclave.Capacity
	for i := range x.plan.Instructions {
		for _, planned := range x.order.added[i] {
			spec := planned.spec
			if spec.MinMemory > has.MemoryMB && has.MemoryMB > 0 {
				failures = append(failures, x.placed(i, &serviceError{spec.Name, fmt.Errorf("service '%s' requires '%d' megabytes of memory, and the machine has %d: lower min_memory", spec.Name, spec.MinMemory, has.MemoryMB)}))
			}
			if spec.MinCPU > has.MilliCPU && has.MilliCPU > 0 {
				failures = append(failures, x.placed(i, &serviceError{spec.Name, fmt.Errorf("service '%s' requires '%d' millicores of CPU, and the machine has %d: lower min_cpu", spec.Name, spec.MinCPU, has.MilliCPU)}))
			}
			all.MemoryMB += spec.MinMemory
			all.MilliCPU += spec.MinCPU
		}
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	if all.MemoryMB > has.MemoryMB && has.MemoryMB > 0 {
		x.warn(fmt.Sprintf("the services ask for %d megabytes of memory together (min_memory), and the machine has %d", all.MemoryMB, has.MemoryMB))
	}
	if all.MilliCPU > has.MilliCPU && has.MilliCPU > 0 {
		x.warn(fmt.Sprintf("the services ask for %d millicores together (min_cpu), and the machine has %d", all.MilliCPU, has.MilliCPU))
	}
	return nil
}

func (x *execution) asksForResources() bool {
	for _, added := range x.order.added {
		for _, planned := range added {
			if planned.spec.MinMemory > 0 || planned.spec.MinCPU > 0 {
				return true
			}
		}
	}
	return false
}
