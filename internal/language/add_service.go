package language

import (
	"errors"
	"slices"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newForceUpdate() *param[bool] {
	return optional("force_update", boolean, false, "False", "Whether the service is replaced even if nothing changed.")
}

func newAddService() *builtin {
	name := required("name", identity, "Name of the service, which is also its host name inside the enclave.").formerly("service_name", "service_id")
	config := required("config", serviceConfig, "What the service is.")
	force := newForceUpdate()
	return instruction("add_service", "Adds a service, or brings the one that an earlier run added to this configuration. Afterwards its ports are open and its ready conditions hold.",
		"Service", func(c *call) (starlark.Value, error) {
			spec := config.of(c.arguments)
			spec.Name = name.of(c.arguments)
			operation := &plan.AddServices{Services: []plan.ServiceSpec{spec}, ForceUpdate: force.of(c.arguments)}
			if c.bad() {
				return nil, nil
			}
			c.record(operation, "Adding service with name '%s' and image '%s'", spec.Name, spec.Image.Name)
			return c.in.addService(&spec), nil
		}, name, config, force)
}

// addService makes a service known to the instructions that follow.
func (in *interpreter) addService(spec *plan.ServiceSpec) starlark.Value {
	value := serviceValue(spec.Name, spec.Ports)
	if in.services[spec.Name] == nil {
		in.order = append(in.order, spec.Name)
	}
	in.services[spec.Name] = value
	return value
}

func newAddServices() *builtin {
	configs := required("configs", dictOf(serviceConfig), "Configurations by name of service.")
	force := newForceUpdate()
	return instruction("add_services", "Adds several services that may start at the same time. If one fails to start, none of the new ones stays.",
		"dict[string, Service]", func(c *call) (starlark.Value, error) {
			specs := configs.of(c.arguments)
			forced := force.of(c.arguments)
			dict, _ := configs.raw(c.arguments).(*starlark.Dict)
			if dict != nil && dict.Len() == 0 {
				c.scope.problem("configs", "can't be empty")
			}
			if c.bad() {
				return nil, nil
			}
			operation := &plan.AddServices{Batch: true, ForceUpdate: forced}
			var names []string
			for _, key := range dict.Keys() {
				given, _ := starlark.AsString(key)
				spec := specs[given]
				spec.Name = resolveHostnames(given)
				operation.Services = append(operation.Services, spec)
				names = append(names, spec.Name)
			}
			c.record(operation, "Adding the following '%s' services: %s", strconv.Itoa(len(names)), listed(names))
			result := starlark.NewDict(len(names))
			for i := range operation.Services {
				spec := &operation.Services[i]
				if err := result.SetKey(starlark.String(spec.Name), c.in.addService(spec)); err != nil {
					return nil, err
				}
			}
			return result, nil
		}, configs, force)
}

// known gives a service of this plan or of another run. In an enclave that others share it may be one that nobody knows
// yet.
func (in *interpreter) known(name string, position plan.Position) (*typed, error) {
	if service := in.services[name]; service != nil {
		return service, nil
	}
	if err := in.lookAround(); err != nil {
		return nil, err
	}
	if ports, ok := in.request.Existing[name]; ok {
		return serviceValue(name, ports), nil
	}
	hint := didYouMean(name, in.order)
	if in.request.SharedEnclave && serviceNamePattern.MatchString(name) {
		if hint != "" {
			in.warn(position, "service '"+name+"' is not added before this place, so it is looked for among those of other runs"+hint)
		}
		return foreignService(name, func(err error) {
			in.unknown = append(in.unknown, Problem{Position: position, Message: err.Error()})
		}), nil
	}
	return nil, errors.New("service '" + name + "' is not known at this place: add it earlier in the plan" + hint)
}

// lookAround asks for what other runs have made, once. From then on all is known.
func (in *interpreter) lookAround() error {
	if in.request.Others == nil {
		return nil
	}
	found, err := in.request.Others(in.ctx)
	if err != nil {
		return err
	}
	in.request.Others, in.request.SharedEnclave = nil, false
	in.request.Existing, in.request.ExistingArtifacts = found.Services, found.Artifacts
	return nil
}

func newGetService() *builtin {
	name := required("name", identity, "Name of the service.").formerly("service_name", "service_id")
	return instruction("get_service", "Gives a service that was added earlier in the plan or by another run of the enclave.", "Service", func(c *call) (starlark.Value, error) {
		wanted := name.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		service, err := c.in.known(wanted, c.scope.site.position)
		if err != nil {
			return nil, err
		}
		c.record(&plan.GetServices{Services: []string{wanted}}, "Getting service '%s'", wanted)
		return service, nil
	}, name)
}

func newGetServices() *builtin {
	return instruction("get_services", "Gives all services that are known: those of other runs by name, then those of this plan in order.", "list[Service]", func(c *call) (starlark.Value, error) {
		if c.bad() {
			return nil, nil
		}
		if err := c.in.lookAround(); err != nil {
			return nil, err
		}
		var names []string
		for name := range c.in.request.Existing {
			if c.in.services[name] == nil {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		names = append(names, c.in.order...)
		services := make([]starlark.Value, len(names))
		for i, name := range names {
			service, err := c.in.known(name, c.scope.site.position)
			if err != nil {
				return nil, err
			}
			services[i] = service
		}
		c.record(&plan.GetServices{Services: names}, "Getting all services")
		return starlark.NewList(services), nil
	})
}
