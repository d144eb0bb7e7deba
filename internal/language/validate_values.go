package language

import (
	"maps"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func serviceProducer(name string, position plan.Position) producer {
	return producer{what: "service '" + name + "'", position: position, fields: []string{fieldHostname, fieldIPAddress}}
}

// collectProducers adds what an instruction makes known to runtime values.
func collectProducers(instruction *plan.Instruction, into map[string]producer) {
	add := func(id string, fields []string) {
		into[id] = producer{what: "plan." + instruction.Name, position: instruction.Position, fields: fields}
	}
	switch operation := instruction.Operation.(type) {
	case *plan.AddServices:
		for i := range operation.Services {
			name := operation.Services[i].Name
			into[producerName(name)] = serviceProducer(name, instruction.Position)
		}
	case *plan.GetServices:
		for _, name := range operation.Services {
			if _, known := into[producerName(name)]; !known {
				into[producerName(name)] = serviceProducer(name, instruction.Position)
			}
		}
	case *plan.Exec:
		add(operation.ID, recipeFields(&operation.Recipe))
	case *plan.Request:
		add(operation.ID, recipeFields(&operation.Recipe))
	case *plan.Wait:
		add(operation.ID, recipeFields(operation.Recipe))
	case *plan.RunTask:
		add(operation.ID, []string{fieldCode, fieldOutput})
	}
}

// recipe checks the runtime values that a recipe holds.
func (v *validator) recipe(what string, recipe plan.Recipe) {
	switch recipe := recipe.(type) {
	case *plan.ExecRecipe:
		v.texts(what, recipe.Command)
		v.texts("extract of "+what, recipe.Extract)
	case *plan.HTTPRecipe:
		v.texts("endpoint of "+what, recipe.Endpoint)
		v.texts("body of "+what, recipe.Body)
		v.texts("content_type of "+what, recipe.ContentType)
		v.texts("headers of "+what, recipe.Headers)
		v.texts("extract of "+what, recipe.Extract)
		v.fixed("port_id of "+what, recipe.PortID)
	}
}

// fixed reports runtime values where only text makes sense that is known beforehand, and tells whether there are any.
func (v *validator) fixed(what string, texts ...string) bool {
	found := false
	for _, text := range texts {
		for _, value := range plan.FindRuntimeValues(text) {
			found = true
			source, known := v.later[value.Producer]
			if earlier, before := v.producers[value.Producer]; before {
				source, known = earlier, true
			}
			origin := "nothing in the plan makes known"
			if known {
				origin = source.what + at(source.position) + " makes known only while the environment runs"
			}
			v.problem("%s cannot hold %s, which %s: write text that is known beforehand", what, plan.ReadableRuntimeValues(value.String()), origin)
		}
	}
	return found
}

// spec checks the runtime values in a service's or a task's spec: where they may stand, and where they cannot.
func (v *validator) spec(whose string, spec *plan.ServiceSpec) {
	v.texts("entrypoint of "+whose, spec.Entrypoint)
	v.texts("cmd of "+whose, spec.Cmd)
	v.texts("env_vars of "+whose, spec.Env)
	v.texts("labels of "+whose, spec.Labels)
	v.texts("node_selectors of "+whose, spec.NodeSelectors)
	v.texts("devices of "+whose, spec.Devices)
	v.texts("capabilities of "+whose, spec.Capabilities)

	v.fixed("image of "+whose, spec.Image.Name)
	if registry := spec.Image.Registry; registry != nil {
		v.fixed("image of "+whose, registry.Registry, registry.Username, registry.Password)
	}
	if build := spec.Image.Build; build != nil {
		v.fixed("target_stage of "+whose, build.TargetStage)
		v.fixedMap("build_args of "+whose, build.Args)
	}
	for _, id := range slices.Sorted(maps.Keys(spec.Ports)) {
		v.fixed("ports of "+whose, spec.Ports[id].URL)
	}
	v.fixed("files of "+whose, slices.Sorted(maps.Keys(spec.Files))...)
	v.fixed("env_vars of "+whose, slices.Sorted(maps.Keys(spec.Env))...)
	v.fixed("working_dir of "+whose, spec.WorkingDir)
	v.fixed("aliases of "+whose, spec.Aliases...)
	v.fixed("private_ip_address_placeholder of "+whose, spec.IPPlaceholder)
	v.fixedMap("files_to_be_moved of "+whose, spec.FilesToBeMoved)
	v.fixedMap("bind_mounts of "+whose, spec.BindMounts)
}

func (v *validator) fixedMap(what string, texts map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		v.fixed(what, key, texts[key])
	}
}

// texts checks the runtime values in a text, a list, a map or a JSON-like value.
func (v *validator) texts(what string, value any) {
	switch value := value.(type) {
	case string:
		v.values(what, value)
	case []string:
		for _, element := range value {
			v.values(what, element)
		}
	case map[string]string:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			v.values(what+` "`+key+`"`, value[key])
		}
	case []any:
		for _, element := range value {
			v.texts(what, element)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			v.texts(what, value[key])
		}
	}
}

// values reports runtime values that nothing before this place can have made known.
func (v *validator) values(what, text string) {
	for _, value := range plan.FindRuntimeValues(text) {
		readable := plan.ReadableRuntimeValues(value.String())
		source, earlier := v.producers[value.Producer]
		if !earlier {
			if source, ok := v.later[value.Producer]; ok && source.position == v.position && slices.Contains(source.fields, fieldHostname) {
				v.problem("%s refers to %s, which is known only when this instruction is done: a service's own address is the text of private_ip_address_placeholder, and another service has to be added before", what, readable)
			} else if ok {
				v.problem("%s refers to %s, which is known only after %s at %s: move that before", what, readable, source.what, source.position)
			} else {
				v.problem("%s refers to %s, and no instruction of the plan makes it known", what, readable)
			}
			continue
		}
		if !slices.Contains(source.fields, value.Field) {
			v.problem("%s refers to %s, but %s%s gives only %s", what, readable, source.what, at(source.position), strings.Join(source.fields, ", "))
		}
	}
}

func at(position plan.Position) string {
	if position.File == "" {
		return ""
	}
	return " at " + position.String()
}
