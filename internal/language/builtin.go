package language

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// builtin is an instruction or a global function: what it accepts and what it does.
type builtin struct {
	*signature
	handle func(c *call) (starlark.Value, error)
}

// call is one call of a builtin. A handler converts all its arguments, then returns at once if the call is bad: what was
// reported becomes the error.
type call struct {
	*arguments
	in     *interpreter
	thread *starlark.Thread
	scope  *scope
}

func (c *call) bad() bool { return c.scope.bad() }

const descriptionName = "description"

func newDescription() *param[string] {
	return unset(descriptionName, text, "The line that is shown while the instruction is carried out, in place of the usual one. Types accept and ignore it.")
}

// instruction declares a function of plan. A description parameter is added.
func instruction(name, doc, returns string, handle func(c *call) (starlark.Value, error), parameters ...anyParameter) *builtin {
	return &builtin{signature: newSignature(name, kindInstruction, doc, returns, withDescription(parameters)), handle: handle}
}

// withDescription puts the description parameter behind the others and before those that are given by name only.
func withDescription(parameters []anyParameter) []anyParameter {
	at := len(parameters)
	for at > 0 && parameters[at-1].base().Named() {
		at--
	}
	return slices.Insert(slices.Clone(parameters), at, anyParameter(newDescription()))
}

// understanding gives an instruction that understands calls of earlier versions as well.
func (b *builtin) understanding(earlier *earlierForm) *builtin {
	b.earlier = earlier
	return b
}

// function declares a global function.
func function(name, doc, returns string, handle func(c *call) (starlark.Value, error), parameters ...anyParameter) *builtin {
	return &builtin{signature: newSignature(name, kindFunction, doc, returns, parameters), handle: handle}
}

// call binds arguments and runs the handler.
func (b *builtin) call(in *interpreter, thread *starlark.Thread, positional starlark.Tuple, keywords []starlark.Tuple) (starlark.Value, error) {
	scope := in.scope(thread)
	c := &call{arguments: b.bind(scope, positional, keywords), in: in, thread: thread, scope: scope}
	value, err := b.handle(c)
	if problems := scope.err(b.signature); problems != nil {
		return nil, problems
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.qualified(), err)
	}
	if value == nil {
		value = starlark.None
	}
	return value, nil
}

// record adds an instruction to the plan under its default description, which the package may override.
func (c *call) record(operation plan.Operation, format string, arguments ...any) {
	description := fmt.Sprintf(format, arguments...)
	shown := map[string]any{}
	for i, p := range c.signature.parameters {
		value := c.values[i]
		if value == nil {
			continue
		}
		if p.Name == descriptionName {
			description, _ = starlark.AsString(value)
			continue
		}
		shown[p.Name] = displayData(value, c.in.meant)
	}
	c.in.record(plan.Instruction{
		Name: c.signature.name, Position: c.scope.site.position, Callers: c.in.callers(c.thread), Description: description, Arguments: shown, Operation: operation,
	})
}

// starlarkFunction makes the value that packages call. Panics become errors: no input may bring the host down.
func (in *interpreter) starlarkFunction(name string, run func(*interpreter, *starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, positional starlark.Tuple, keywords []starlark.Tuple) (value starlark.Value, err error) {
		defer recoverInto(&err, name)
		return run(in, thread, positional, keywords)
	})
}

func recoverInto(err *error, what string) {
	if caught := recover(); caught != nil {
		*err = fmt.Errorf("%s: internal error: %v: please report this as a bug of Sundog", what, caught)
	}
}
