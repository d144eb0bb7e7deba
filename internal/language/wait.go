package language

import (
	"time"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newWait() *builtin {
	service := newServiceName()
	condition := newConditionParameters(10*time.Second, `"10s"`)
	again := newRerun()
	return instruction("wait", "Repeats a recipe until an assertion about its answer holds: at once, then at every interval.", "dict with the last answer's fields", func(c *call) (starlark.Value, error) {
		operation := &plan.Wait{Service: service.of(c.arguments), Recipe: condition.recipe.of(c.arguments), Condition: condition.condition(c.arguments), Rerun: rerunOf(again.of(c.arguments))}
		if c.bad() {
			return nil, nil
		}
		operation.ID = c.in.imperative(operation.Service)
		c.record(operation, "Waiting for at most '%s' for service '%s' to reach a certain state", operation.Condition.Timeout, operation.Service)
		return resultOf(operation.ID, recipeFields(operation.Recipe)), nil
	}, service, condition.recipe, condition.field, condition.assertion, condition.target, condition.interval, condition.timeout, again).
		understanding(&earlierForm{order: formerWaitOrder, first: isRecipe, complete: serviceOfRecipe(service, condition.recipe.base())})
}
