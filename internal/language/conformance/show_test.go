package conformance

import (
	"fmt"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// object is a JSON object without what is empty: what a plan leaves at its zero value does not show.
type object map[string]any

func (o object) set(name string, value any) object {
	switch value := value.(type) {
	case nil:
		return o
	case string:
		if value == "" {
			return o
		}
	case bool:
		if !value {
			return o
		}
	case int64:
		if value == 0 {
			return o
		}
	case time.Duration:
		if value == 0 {
			return o
		}
		o[name] = value.String()
		return o
	case []string:
		if len(value) == 0 {
			return o
		}
	case map[string]string:
		if len(value) == 0 {
			return o
		}
	case object:
		if len(value) == 0 {
			return o
		}
	case []object:
		if len(value) == 0 {
			return o
		}
	}
	o[name] = value
	return o
}

// showPlan gives the readable form of a plan in full.
func showPlan(t testing.TB, made *plan.Plan) string {
	t.Helper()
	shown := object{"output": made.Output}
	var instructions []object
	for i := range made.Instructions {
		instruction := &made.Instructions[i]
		item := object{"name": instruction.Name, "position": instruction.Position.String(), "description": instruction.Description}
		if len(instruction.Arguments) > 0 {
			item["arguments"] = instruction.Arguments
		}
		item.set("operation", showOperation(instruction.Operation))
		instructions = append(instructions, item)
	}
	shown.set("instructions", instructions)
	services := object{}
	for name, spec := range made.Services() {
		services[name] = showService(spec)
	}
	shown.set("services", services)
	shown.set("artifacts", made.Artifacts())
	var warnings []string
	for _, warning := range made.Warnings {
		text := warning.Message
		if position := warning.Position.String(); position != "" {
			text = position + ": " + text
		}
		warnings = append(warnings, text)
	}
	shown.set("warnings", warnings)
	var parameters []object
	for _, parameter := range made.Parameters {
		item := object{"name": parameter.Name}
		item.set("type", parameter.Type).set("doc", parameter.Doc).set("required", parameter.Required).set("default", parameter.Default)
		parameters = append(parameters, item)
	}
	shown.set("parameters", parameters)
	shown.set("description", made.Description)
	var packages []string
	for _, used := range made.Packages {
		packages = append(packages, used.Locator)
	}
	shown.set("packages", packages)
	return indented(t, shown)
}

// showOperation gives what an instruction does, services apart: those stand by themselves.
func showOperation(operation plan.Operation) object {
	o := object{}
	switch operation := operation.(type) {
	case *plan.AddServices:
		var names []string
		for i := range operation.Services {
			names = append(names, operation.Services[i].Name)
		}
		o.set("services", names).set("batch", operation.Batch).set("force_update", operation.ForceUpdate)
	case *plan.RemoveService:
		o.set("service", operation.Service)
	case *plan.StartService:
		o.set("service", operation.Service)
	case *plan.StopService:
		o.set("service", operation.Service)
	case *plan.GetServices:
		o.set("services", operation.Services)
	case *plan.Exec:
		o.set("id", operation.ID).set("service", operation.Service).set("recipe", showRecipe(&operation.Recipe)).set("accepts", showAcceptance(operation.Acceptance))
	case *plan.Request:
		o.set("id", operation.ID).set("service", operation.Service).set("recipe", showRecipe(&operation.Recipe)).set("accepts", showAcceptance(operation.Acceptance))
	case *plan.Wait:
		o.set("id", operation.ID).set("service", operation.Service).set("recipe", showRecipe(operation.Recipe)).set("condition", showCondition(operation.Condition))
	case *plan.Verify:
		o["value"], o["assertion"], o["target"] = operation.Value, operation.Assertion, operation.Target
	case *plan.Print:
		o["message"] = operation.Message
	case *plan.RenderTemplates:
		var templates []object
		for _, file := range operation.Templates {
			templates = append(templates, object{"path": file.Path, "template": file.Text, "data": file.Data})
		}
		o.set("artifact", operation.Artifact).set("templates", templates)
	case *plan.UploadFiles:
		o.set("artifact", operation.Artifact).set("source", operation.Source).set("files", showTree(operation.Tree))
	case *plan.StoreServiceFiles:
		o.set("id", operation.ID).set("artifact", operation.Artifact).set("service", operation.Service).set("source", operation.Source)
	case *plan.GetFilesArtifact:
		o.set("artifact", operation.Artifact)
	case *plan.RunTask:
		var store []object
		for _, item := range operation.Store {
			store = append(store, object{"source": item.Source, "artifact": item.Artifact})
		}
		o.set("id", operation.ID).set("name", operation.Name).set("kind", string(operation.Kind)).set("script", operation.Script).
			set("args", operation.Args).set("packages", operation.Packages).set("container", showService(&operation.Service)).
			set("store", store).set("timeout", operation.Timeout).set("accepts", showAcceptance(operation.Acceptance))
	}
	o.set("rerun", string(plan.RerunOf(operation)))
	return o
}

func showAcceptance(acceptance plan.Acceptance) any {
	if acceptance.Skip {
		return "any code"
	}
	return acceptance.Codes
}

func showRecipe(recipe plan.Recipe) object {
	switch recipe := recipe.(type) {
	case *plan.ExecRecipe:
		return object{"command": recipe.Command}.set("extract", recipe.Extract)
	case *plan.HTTPRecipe:
		return object{"method": recipe.Method, "port_id": recipe.PortID, "endpoint": recipe.Endpoint}.
			set("body", recipe.Body).set("content_type", recipe.ContentType).set("headers", recipe.Headers).set("extract", recipe.Extract)
	case *plan.ExitRecipe:
		return object{"exit": true}
	}
	return nil
}

func showCondition(condition plan.Condition) object {
	return object{
		"field": condition.Field, "assertion": condition.Assertion, "target": condition.Target,
		"interval": condition.Interval.String(), "timeout": condition.Timeout.String(),
	}
}

func showTree(tree *plan.FileTree) []string {
	var paths []string
	for _, file := range tree.Files {
		paths = append(paths, file.Path)
	}
	return paths
}

// defaultPlaceholder is not worth a line in every service.
const defaultPlaceholder = "KURTOSIS_IP_ADDR_PLACEHOLDER"

// showService gives every attribute of a service that is set.
func showService(spec *plan.ServiceSpec) object {
	o := object{"image": spec.Image.Name}
	if registry := spec.Image.Registry; registry != nil {
		o.set("registry", object{"address": registry.Registry, "username": registry.Username, "password_given": registry.Password != ""})
	}
	if build := spec.Image.Build; build != nil {
		o["build"] = object{"context": showTree(build.Context), "file": build.BuildFile}.set("target_stage", build.TargetStage).set("args", build.Args)
	}
	o.set("ports", showPorts(spec.Ports)).set("public_ports", showPorts(spec.PublicPorts))
	files := object{}
	for mountPath, mount := range spec.Files {
		shown := object{}.set("artifacts", mount.Artifacts).set("persistent_key", mount.PersistentKey).set("size", mount.SizeMB).set("seed", mount.Seed)
		if mount.Owner != nil {
			shown["user"] = showUser(*mount.Owner)
		}
		if mount.Mode != 0 {
			shown["mode"] = fmt.Sprintf("%04o", mount.Mode)
		}
		files[mountPath] = shown
	}
	o.set("files", files).set("entrypoint", spec.Entrypoint).set("cmd", spec.Cmd).set("env_vars", spec.Env)
	if spec.IPPlaceholder != defaultPlaceholder {
		o["private_ip_address_placeholder"] = spec.IPPlaceholder
	}
	o.set("max_cpu", spec.MaxCPU).set("min_cpu", spec.MinCPU).set("max_memory", spec.MaxMemory).set("min_memory", spec.MinMemory)
	if spec.Ready != nil {
		o["ready_conditions"] = object{"recipe": showRecipe(spec.Ready.Recipe), "condition": showCondition(spec.Ready.Condition)}
	}
	o.set("labels", spec.Labels)
	if spec.User != nil {
		o["user"] = showUser(*spec.User)
	}
	var tolerations []object
	for _, item := range spec.Tolerations {
		toleration := object{}.set("key", item.Key).set("operator", item.Operator).set("value", item.Value).set("effect", item.Effect)
		if item.Seconds != nil {
			toleration["toleration_seconds"] = *item.Seconds
		}
		tolerations = append(tolerations, toleration)
	}
	o.set("tolerations", tolerations).set("node_selectors", spec.NodeSelectors).set("files_to_be_moved", spec.FilesToBeMoved)
	if spec.NoInit {
		o["tini_enabled"] = false
	}
	o.set("tty_enabled", spec.TTY).set("devices", spec.Devices).set("publish_udp", spec.PublishUDP).set("capabilities", spec.Capabilities)
	if gpu := spec.GPU; gpu != nil {
		limits := object{}
		for name, limit := range gpu.Ulimits {
			limits[name] = limit
		}
		o["gpu"] = object{"docker_driver": gpu.DockerDriver, "kubernetes_driver": gpu.KubernetesDriver}.
			set("count", gpu.Count).set("device_ids", gpu.DeviceIDs).set("shm_size", gpu.SharedMemoryMB).set("ulimits", limits)
	}
	return o.set("privileged", spec.Privileged).set("host_pid_namespace", spec.HostPIDNamespace).set("bind_mounts", spec.BindMounts).
		set("aliases", spec.Aliases).set("working_dir", spec.WorkingDir)
}

func showUser(user plan.User) object {
	shown := object{"uid": user.UID}
	if user.GID != nil {
		shown["gid"] = *user.GID
	}
	return shown
}

func showPorts(ports map[string]plan.Port) object {
	shown := object{}
	for id, port := range ports {
		item := object{"number": port.Number, "transport_protocol": port.Transport, "wait": nil}
		item.set("application_protocol", port.Application).set("wait", port.Wait).set("url", port.URL)
		shown[id] = item
	}
	return shown
}
