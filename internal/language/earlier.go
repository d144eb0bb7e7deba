package language

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Earlier versions of the language had no types: a service's configuration, a port, a recipe were structs. They also had
// other orders of arguments. What such a package means is understood where it cannot mean anything else, with a warning.

// earlierForm is how earlier versions called an instruction.
type earlierForm struct {
	// order of the positional arguments, when the first of them is of the sort that stood first.
	order []string
	first func(value starlark.Value) bool
	// complete fills in what earlier versions gave in another place; nil where they did not.
	complete func(a *arguments)
}

// reorder turns positional arguments in the former order into keyword arguments.
func (e *earlierForm) reorder(sc *scope, s *signature, positional starlark.Tuple, keywords []starlark.Tuple) (starlark.Tuple, []starlark.Tuple) {
	if len(positional) == 0 || len(positional) > len(e.order) || !e.first(positional[0]) {
		return positional, keywords
	}
	names := s.order()
	names = names[:len(names)-1] // without the description
	sc.in.deprecate(sc.site.position, fmt.Sprintf("%s: the order of arguments is now %s", s.qualified(), strings.Join(names, ", ")))
	ordered := slices.Clone(keywords)
	for i, value := range positional {
		ordered = append(ordered, starlark.Tuple{starlark.String(e.order[i]), value})
	}
	return nil, ordered
}

// isRecipe tells whether a value is a recipe in any of its forms.
func isRecipe(value starlark.Value) bool { return recipe.check(value) == "" }

// fields reads a struct or a dictionary with string keys, in the order of its names.
func fields(value starlark.Value) (list []starlark.Tuple, ok bool) {
	switch value := value.(type) {
	case *starlarkstruct.Struct:
		for _, name := range value.AttrNames() {
			field, err := value.Attr(name)
			if err != nil || field == nil {
				return nil, false
			}
			list = append(list, starlark.Tuple{starlark.String(name), field})
		}
		return list, true
	case *starlark.Dict:
		for _, item := range value.Items() {
			if _, isText := item[0].(starlark.String); !isText {
				return nil, false
			}
			list = append(list, item)
		}
		return list, true
	}
	return nil, false
}

// methodField told earlier recipes apart.
const methodField = "method"

// impliedMethod gives the method of an HTTP recipe of an earlier version.
func impliedMethod(list []starlark.Tuple) string {
	implied := "GET"
	for _, field := range list {
		switch name, _ := starlark.AsString(field[0]); name {
		case methodField:
			method, _ := starlark.AsString(field[1])
			return method
		case "body", "content_type":
			implied = "POST"
		}
	}
	return implied
}

// resembles tells whether a struct or a dictionary can be meant as a value of the type: it has all that the type
// requires, and at least one field that the type knows.
func (t *typeBuiltin) resembles(value starlark.Value) bool {
	list, ok := fields(value)
	if !ok {
		return false
	}
	given := map[string]bool{}
	method := impliedMethod(list)
	for _, field := range list {
		name, _ := starlark.AsString(field[0])
		if index, known := t.byName[name]; known {
			given[t.parameters[index].Name] = true
		}
	}
	if t.method != "" && !strings.EqualFold(method, t.method) {
		return false
	}
	for _, p := range t.parameters {
		if p.Required && !given[p.Name] {
			return false
		}
	}
	return len(given) > 0
}

// lacking says what a struct or a dictionary would need to be understood as a value of the type.
func (t *typeBuiltin) lacking(value starlark.Value) string {
	list, ok := fields(value)
	if !ok {
		return ""
	}
	given := map[int]bool{}
	for _, field := range list {
		name, _ := starlark.AsString(field[0])
		if index, known := t.byName[name]; known {
			given[index] = true
		}
	}
	var missing []string
	for i, p := range t.parameters {
		if p.Required && !given[i] {
			missing = append(missing, p.Name)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return " without " + strings.Join(missing, ", ")
}

// fromFields makes a value of the type out of a struct or a dictionary; nil when something in it is wrong, which is
// reported.
func (t *typeBuiltin) fromFields(s *scope, at string, value starlark.Value) *typed {
	list, _ := fields(value)
	if t.method != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(field starlark.Tuple) bool { return field[0] == starlark.String(methodField) })
	}
	s.in.deprecate(s.site.position, fmt.Sprintf("%s is given as a %s: write %s(...)", withArticle(t.name), value.Type(), t.name))
	inner := &scope{in: s.in, site: s.site}
	bound := t.bind(inner, nil, list)
	if !strings.ContainsAny(at, ".[") {
		at = t.name
	}
	for _, problem := range inner.problems {
		s.problems = append(s.problems, at+"."+problem)
	}
	if inner.bad() {
		return nil
	}
	made, err := t.keep(bound)
	if err != nil {
		s.problem(at, "%v", err)
		return nil
	}
	s.in.meant[value] = made
	return made
}

// newRecipeService is the service's name that recipes of earlier versions held.
func newRecipeService() *param[string] {
	return unset("service_name", identity, "Name of the service.").formerly("service_id").replaced("pass service_name to the instruction")
}

// serviceOfRecipe takes the service's name out of a recipe, where the call names none.
func serviceOfRecipe(service *param[string], recipe *parameter) func(a *arguments) {
	return func(a *arguments) {
		asked, named := a.values[recipe.index], recipeService(a.values[recipe.index])
		if named == nil {
			return
		}
		if a.values[service.index] == nil {
			a.values[service.index] = named
			return
		}
		// What is no string is told where it is checked.
		one, isText := starlark.AsString(a.values[service.index])
		other, alsoText := starlark.AsString(named)
		if isText && alsoText && resolveHostnames(one) != resolveHostnames(other) {
			a.scope.problem(recipe.Name, "the %s is for service %q, and the call names another: leave the name out of the recipe", asked.Type(), shorten(resolveHostnames(other)))
		}
	}
}

// recipeService gives the name of the service that a recipe holds, nil when it holds none.
func recipeService(recipe starlark.Value) starlark.Value {
	if made, ok := recipe.(*typed); ok {
		if index, known := made.of.byName["service_name"]; known && made.of != serviceType.typeBuiltin {
			return made.values[index]
		}
		return nil
	}
	list, _ := fields(recipe)
	for _, field := range list {
		if name, _ := starlark.AsString(field[0]); name == "service_name" || name == "service_id" {
			return field[1]
		}
	}
	return nil
}

// The former orders of the instructions that take a recipe.
var (
	formerOrder     = []string{"recipe", "service_name", "acceptable_codes", "skip_code_check"}
	formerWaitOrder = []string{"recipe", "field", "assertion", "target_value", "interval", "timeout", "service_name"}
)
