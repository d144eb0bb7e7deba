package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newVerify() *builtin {
	value := required("value", anyText, "What is looked at, usually a runtime value. It is typed when the whole string is one.")
	check := required("assertion", assertion, "One of ==, !=, >=, >, <=, <, IN, NOT_IN.")
	target := required("target_value", anything, "What the value is compared with. May hold runtime values.")
	return instruction("verify", "Fails the run unless an assertion holds.", "", func(c *call) (starlark.Value, error) {
		operation := &plan.Verify{Value: value.of(c.arguments), Assertion: check.of(c.arguments), Target: target.of(c.arguments)}
		if raw := target.raw(c.arguments); raw != nil && (operation.Assertion == "IN" || operation.Assertion == "NOT_IN") {
			if _, ok := raw.(starlark.Iterable); !ok {
				c.scope.problem("target_value", "%s for the assertion %s", mustBe("list", raw), operation.Assertion)
			}
		}
		if !c.bad() {
			c.record(operation, "Verifying whether two values meet a certain condition '%s'", operation.Assertion)
		}
		return nil, nil
	}, value, check, target)
}
