package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// newServiceInstruction declares an instruction that takes a service's name and nothing else.
func newServiceInstruction(name, doc, description string, operation func(service string) plan.Operation) *builtin {
	service := required("name", identity, "Name of the service.").formerly("service_name", "service_id")
	return instruction(name, doc, "", func(c *call) (starlark.Value, error) {
		wanted := service.of(c.arguments)
		if !c.bad() {
			c.record(operation(wanted), description, wanted)
		}
		return nil, nil
	}, service)
}

func newRemoveService() *builtin {
	return newServiceInstruction("remove_service", "Stops and removes a service. Its name can be used again.", "Removing service '%s'",
		func(service string) plan.Operation { return &plan.RemoveService{Service: service} })
}

func newStartService() *builtin {
	return newServiceInstruction("start_service", "Starts a service that was stopped.", "Starting service '%s'",
		func(service string) plan.Operation { return &plan.StartService{Service: service} })
}

func newStopService() *builtin {
	return newServiceInstruction("stop_service", "Stops a service, which keeps its name, its address and its persistent directories.", "Stopping service '%s'",
		func(service string) plan.Operation { return &plan.StopService{Service: service} })
}
