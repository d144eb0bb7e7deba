package language

import (
	"fmt"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// jsonModule is Starlark's json with bounds on what it reads and writes.
func (in *interpreter) jsonModule() starlark.Value {
	members := starlark.StringDict{}
	for name, check := range map[string]func(starlark.Value) error{
		"encode": func(value starlark.Value) error { return (&walker{}).measure(value, 0) },
		"decode": checkJSON,
		"indent": checkJSON,
	} {
		original := json.Module.Members[name].(*starlark.Builtin) //nolint:forcetypeassert // it is one
		members[name] = in.starlarkFunction(original.Name(), func(_ *interpreter, thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			if name == "decode" && len(args)+len(kwargs) > 1 {
				return nil, fmt.Errorf("%s takes one argument: check the text before, or let the error tell", original.Name())
			}
			for _, arg := range args {
				if err := check(arg); err != nil {
					return nil, fmt.Errorf("%s: %w", original.Name(), err)
				}
			}
			for _, pair := range kwargs {
				if text, ok := starlark.AsString(pair[1]); ok && len(text) > maxIndent {
					return nil, fmt.Errorf("%s: %s is longer than %d characters", original.Name(), pair[0], maxIndent)
				}
			}
			return original.CallInternal(thread, args, kwargs)
		})
	}
	return &starlarkstruct.Module{Name: "json", Members: members}
}

const (
	maxJSON   = 32 << 20
	maxIndent = 64
)

// checkJSON bounds a JSON text: the decoder recurses along its nesting.
func checkJSON(value starlark.Value) error {
	text, ok := starlark.AsString(value)
	if !ok {
		return nil
	}
	if len(text) > maxJSON {
		return fmt.Errorf("the text is larger than %d MiB", maxJSON>>20)
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch letter := text[i]; {
		case quoted && letter == '\\':
			i++
		case letter == '"':
			quoted = !quoted
		case quoted:
		case letter == '[', letter == '{':
			if depth++; depth > maxDepth {
				return errTooDeep
			}
		case letter == ']', letter == '}':
			depth--
		}
	}
	return nil
}
