package language

import (
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// conditionParameters are what plan.wait and ReadyCondition have in common.
type conditionParameters struct {
	recipe    *param[plan.Recipe]
	field     *param[string]
	assertion *param[string]
	target    *param[any]
	interval  *param[time.Duration]
	timeout   *param[time.Duration]
}

func newConditionParameters(timeout time.Duration, shown string) conditionParameters {
	return conditionParameters{
		recipe:    required("recipe", recipe, "What the service is asked."),
		field:     required("field", text, "Field of the answer to look at: code, output, body or extract.<key>."),
		assertion: required("assertion", assertion, "One of ==, !=, >=, >, <=, <, IN, NOT_IN."),
		target:    required("target_value", anything, "What the field is compared with. May hold runtime values."),
		interval:  optional("interval", duration, time.Second, `"1s"`, "Pause between attempts."),
		timeout:   optional("timeout", duration, timeout, shown, "How long it may take until the assertion holds."),
	}
}

func (c conditionParameters) condition(a *arguments) plan.Condition {
	return plan.Condition{
		Field: c.field.of(a), Assertion: c.assertion.of(a), Target: c.target.of(a), Interval: c.interval.of(a), Timeout: c.timeout.of(a),
	}
}

// readyConditionBuiltin is the type ReadyCondition with its parameters.
type readyConditionBuiltin struct {
	*typeBuiltin
	conditionParameters
}

var readyConditionType = newReadyConditionType()

func newReadyConditionType() *readyConditionBuiltin {
	t := &readyConditionBuiltin{conditionParameters: newConditionParameters(15*time.Minute, `"15m"`)}
	t.typeBuiltin = newType("ReadyCondition", "What must hold before a service counts as ready. The recipe is carried out against the service that the condition belongs to.",
		t.recipe, t.field, t.assertion, t.target, t.interval, t.timeout)
	return t
}

var readyCondition = typedKind(readyConditionType.typeBuiltin, func(a *arguments, _ *typed) *plan.ReadyCondition {
	return &plan.ReadyCondition{Recipe: readyConditionType.recipe.of(a), Condition: readyConditionType.condition(a)}
})
