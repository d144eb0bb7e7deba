package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newPrint() *builtin {
	message := required("msg", unchecked("any"), "What is shown: strings as they are, other values as Starlark writes them. May hold runtime values.")
	return instruction("print", "Shows a message while the plan is carried out.", "", func(c *call) (starlark.Value, error) {
		value := message.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		shown, isText := starlark.AsString(value)
		if !isText {
			if err := (&walker{}).measure(value, 0); err != nil {
				return nil, err
			}
			shown = value.String()
		}
		c.record(&plan.Print{Message: shown}, "Printing a message")
		return nil, nil
	}, message)
}
