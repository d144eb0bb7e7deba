package language

import (
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// serviceBuiltin is the type Service with its parameters.
type serviceBuiltin struct {
	*typeBuiltin
	serviceName, hostname, address *param[string]
	ports                          *param[map[string]plan.Port]
}

var serviceType = newServiceType()

func newServiceType() *serviceBuiltin {
	t := &serviceBuiltin{
		serviceName: required("name", text, "Name of the service."),
		hostname:    required("hostname", text, "Name under which other services of the enclave reach it; known while running."),
		address:     required("ip_address", text, "Address inside the enclave; known while running."),
		ports:       required("ports", dictOf(port), "Ports by id."),
	}
	t.typeBuiltin = newType("Service", "A service as instructions give it back.", t.serviceName, t.hostname, t.address, t.ports)
	return t
}

// serviceValue is what add_service and get_service give.
func serviceValue(name string, ports map[string]plan.Port) *typed {
	dict := starlark.NewDict(len(ports))
	for _, id := range slices.Sorted(maps.Keys(ports)) {
		_ = dict.SetKey(starlark.String(id), portValue(name, ports[id])) // a fresh dictionary takes strings
	}
	values := make([]starlark.Value, len(serviceType.parameters))
	values[serviceType.serviceName.index] = starlark.String(name)
	values[serviceType.hostname.index] = starlark.String(plan.RuntimeValue{Producer: producerName(name), Field: fieldHostname}.String())
	values[serviceType.address.index] = starlark.String(plan.RuntimeValue{Producer: producerName(name), Field: fieldIPAddress}.String())
	values[serviceType.ports.index] = dict
	return &typed{of: serviceType.typeBuiltin, values: values}
}

// foreignService is a service that another run of the enclave may have added. Name and address are known while running,
// as for any other; ports are nothing that an interpretation could know.
func foreignService(name string, looked func(error)) *typed {
	service := serviceValue(name, nil)
	service.values[serviceType.ports.index] = unknownPorts{name, looked}
	return service
}

func portURL(service string, spec plan.Port) string {
	return fmt.Sprintf("%s://%s:%d", spec.Application, service, spec.Number)
}
