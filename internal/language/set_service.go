package language

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newSetService() *builtin {
	name := required("name", identity, "Name of a service that add_service added earlier in the plan.")
	config := required("config", serviceConfig, "What is to change: image, and max_cpu, min_cpu, max_memory, min_memory, user, labels, tolerations, privileged, host_pid_namespace, bind_mounts where they are given.")
	return instruction("set_service", "Changes the configuration of a service that an earlier add_service of this plan adds; it takes effect there.", "", func(c *call) (starlark.Value, error) {
		wanted, change := name.of(c.arguments), config.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		spec := c.in.added(wanted)
		if spec == nil {
			return nil, fmt.Errorf("Did not find new service config for '%s': it must be added by add_service earlier in this plan", wanted) //nolint:staticcheck // upstream's words
		}
		if given := fixedAttributes(&change); given != "" {
			return nil, fmt.Errorf("overriding %s is currently not supported: change it where the service is added", given)
		}
		override(spec, &change)
		for _, ignored := range ignoredChanges(&change) {
			c.in.warn(c.scope.site.position, "plan.set_service ignores "+ignored)
		}
		c.record(&plan.GetServices{Services: []string{wanted}}, "Setting the config of service '%s'", wanted)
		return nil, nil
	}, name, config)
}

// added finds the latest spec that add_service recorded for a service.
func (in *interpreter) added(name string) *plan.ServiceSpec {
	for _, instruction := range slices.Backward(in.instructions) {
		operation, ok := instruction.Operation.(*plan.AddServices)
		if ok && !operation.Batch && operation.Services[0].Name == name {
			return &operation.Services[0]
		}
	}
	return nil
}

// fixedAttributes names an attribute that set_service refuses; empty when none is given.
func fixedAttributes(change *plan.ServiceSpec) string {
	for _, attribute := range []struct {
		name  string
		given bool
	}{
		{"env_vars", len(change.Env) > 0},
		{"entrypoint", len(change.Entrypoint) > 0},
		{"cmd", len(change.Cmd) > 0},
		{"ports", len(change.Ports) > 0},
		{"public_ports", len(change.PublicPorts) > 0},
		{"files", len(change.Files) > 0},
	} {
		if attribute.given {
			return attribute.name
		}
	}
	return ""
}

func ignoredChanges(change *plan.ServiceSpec) []string {
	var ignored []string
	for _, attribute := range []struct {
		name  string
		given bool
	}{
		{"node_selectors", len(change.NodeSelectors) > 0},
		{"gpu", change.GPU != nil},
		{"devices", len(change.Devices) > 0},
		{"tini_enabled", change.NoInit},
		{"tty_enabled", change.TTY},
		{"capabilities", len(change.Capabilities) > 0},
		{"ready_conditions", change.Ready != nil},
		{"publish_udp", change.PublishUDP},
	} {
		if attribute.given {
			ignored = append(ignored, attribute.name)
		}
	}
	return ignored
}

// override replaces what the change gives; nothing can be cleared.
func override(spec, change *plan.ServiceSpec) {
	spec.Image = change.Image
	replaceNumber := func(target *int64, value int64) {
		if value != 0 {
			*target = value
		}
	}
	replaceNumber(&spec.MaxCPU, change.MaxCPU)
	replaceNumber(&spec.MinCPU, change.MinCPU)
	replaceNumber(&spec.MaxMemory, change.MaxMemory)
	replaceNumber(&spec.MinMemory, change.MinMemory)
	if change.User != nil {
		spec.User = change.User
	}
	if len(change.Labels) > 0 {
		spec.Labels = change.Labels
	}
	if len(change.Tolerations) > 0 {
		spec.Tolerations = change.Tolerations
	}
	spec.Privileged = spec.Privileged || change.Privileged
	spec.HostPIDNamespace = spec.HostPIDNamespace || change.HostPIDNamespace
	if len(change.BindMounts) > 0 {
		spec.BindMounts = change.BindMounts
	}
}
