package language

import (
	"errors"

	"go.starlark.net/starlark"
)

func newPrintGlobal() *builtin {
	return &builtin{
		signature: newSignature("print", kindFunction, "Does not work in packages: what is printed belongs to a run, so plan.print shows it.", "", nil),
		handle: func(c *call) (starlark.Value, error) {
			c.scope.problems = nil
			return nil, errors.New("the global print does not exist in packages: use plan.print")
		},
	}
}
