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
	case *plan.HTTPRecipe:
		v.texts("endpoint of "+what, recipe.Endpoint)
		v.texts("body of "+what, recipe.Body)
		v.texts("headers of "+what, recipe.Headers)
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
			if source, ok := v.later[value.Producer]; ok {
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
