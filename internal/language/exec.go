package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// acceptanceParameters are what instructions have that end with a code.
type acceptanceParameters struct {
	codes *param[[]int64]
	skip  *param[bool]
}

func newAcceptance(codes []int64, shown string) acceptanceParameters {
	return acceptanceParameters{
		codes: optional("acceptable_codes", intList, codes, shown, "Codes that count as success."),
		skip:  optional("skip_code_check", boolean, false, "False", "Whether every code counts as success."),
	}
}

func (p acceptanceParameters) of(a *arguments) plan.Acceptance {
	return plan.Acceptance{Codes: p.codes.of(a), Skip: p.skip.of(a)}
}

func newServiceName() *param[string] {
	return required("service_name", identity, "Name of the service.").formerly("service_id")
}

func newExec() *builtin {
	service := newServiceName()
	command := required("recipe", execRecipe, "What is run.")
	accept := newAcceptance([]int64{0}, "[0]")
	again := newRerun()
	bare := unset("command", textList, "Command and arguments.").replaced("write recipe = ExecRecipe(command = ...)")
	code := unset("expected_exit_code", anyInteger, "Code that counts as success.").replaced("write acceptable_codes = [code]")
	return instruction("exec", "Runs a command inside a service, without a shell.", "dict with code, output and extract.<key>", func(c *call) (starlark.Value, error) {
		operation := &plan.Exec{Service: service.of(c.arguments), Recipe: plan.ExecRecipe{}, Acceptance: accept.of(c.arguments), Rerun: rerunOf(again.of(c.arguments))}
		asked := command.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		operation.Recipe, operation.ID = *asked, c.in.imperative(operation.Service)
		c.record(operation, "Executing command on service '%s'", operation.Service)
		return resultOf(operation.ID, recipeFields(asked)), nil
	}, service, command, accept.codes, accept.skip, again, bare, code).understanding(&earlierForm{order: formerOrder, first: isRecipe, complete: func(a *arguments) {
		formerExec(a, command.index, bare.index, accept.codes.index, code.index)
		serviceOfRecipe(service, command.base())(a)
	}})
}

// formerExec turns a bare command and a single code, which earlier versions took, into a recipe and a list of codes.
func formerExec(a *arguments, recipe, command, codes, code int) {
	if bare, isList := a.values[command].(*starlark.List); isList && a.values[recipe] == nil {
		values := make([]starlark.Value, len(execRecipeType.parameters))
		values[execRecipeType.command.index] = bare
		a.values[recipe] = &typed{of: execRecipeType.typeBuiltin, values: values, site: a.scope.site}
		a.values[command] = nil
	}
	if single, isNumber := a.values[code].(starlark.Int); isNumber && a.values[codes] == nil {
		a.values[codes] = starlark.NewList([]starlark.Value{single})
		a.values[code] = nil
	}
}
