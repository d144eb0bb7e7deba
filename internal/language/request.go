package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newRequest() *builtin {
	service := newServiceName()
	asked := required("recipe", httpRecipe, "What is sent.")
	accept := newAcceptance([]int64{200, 201, 202, 203, 204, 205, 206, 207, 208, 226}, "[200, 201, 202, 203, 204, 205, 206, 207, 208, 226]")
	again := newRerun()
	return instruction("request", "Sends one HTTP request to a service.", "dict with code, body and extract.<key>", func(c *call) (starlark.Value, error) {
		operation := &plan.Request{Service: service.of(c.arguments), Acceptance: accept.of(c.arguments), Rerun: rerunOf(again.of(c.arguments))}
		recipe := asked.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		operation.Recipe, operation.ID = *recipe, c.in.imperative(operation.Service)
		c.record(operation, "Running '%s' request on service '%s'", recipe.Method, operation.Service)
		return resultOf(operation.ID, recipeFields(recipe)), nil
	}, service, asked, accept.codes, accept.skip, again).understanding(&earlierForm{order: formerOrder, first: isRecipe, complete: serviceOfRecipe(service, asked.base())})
}
