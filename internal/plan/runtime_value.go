package plan

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// RuntimeValue is a placeholder for something that only the running environment can tell. Its producer is a service's
// name, or the ID of an exec, request, wait or task; so it reads the same in every interpretation.
type RuntimeValue struct {
	Producer string
	Field    string
}

// The text form survives concatenation, formatting, JSON encoding and use as a dictionary value. The producer never
// contains a colon or a brace.
var runtimeValuePattern = regexp.MustCompile(`\{\{sundog:([a-zA-Z0-9#._-]+):([a-zA-Z0-9_.-]+)\}\}`)

// String gives the placeholder as it stands inside other strings.
func (v RuntimeValue) String() string { return "{{sundog:" + v.Producer + ":" + v.Field + "}}" }

// FindRuntimeValues returns the runtime values in a text, in order, repetitions included.
func FindRuntimeValues(text string) []RuntimeValue {
	if !strings.Contains(text, "{{sundog:") {
		return nil
	}
	matches := runtimeValuePattern.FindAllStringSubmatch(text, -1)
	values := make([]RuntimeValue, len(matches))
	for i, match := range matches {
		values[i] = RuntimeValue{Producer: match[1], Field: match[2]}
	}
	return values
}

// ReadableRuntimeValues rewrites placeholders to the form {{producer.field}} that people see.
func ReadableRuntimeValues(text string) string {
	return runtimeValuePattern.ReplaceAllString(text, "{{$1.$2}}")
}

// Values resolves runtime values: nil, bool, int64, *big.Int, float64, string, []any or map[string]any by producer and
// field. Lookup fails with an error that names the value when it is not known (yet).
type Values interface {
	Lookup(RuntimeValue) (any, error)
}

// ResolveText replaces every runtime value in a text in one pass: what is inserted is not scanned again.
func ResolveText(text string, values Values) (string, error) {
	if !strings.Contains(text, "{{sundog:") {
		return text, nil
	}
	var failure error
	resolved := runtimeValuePattern.ReplaceAllStringFunc(text, func(placeholder string) string {
		match := runtimeValuePattern.FindStringSubmatch(placeholder)
		value, err := values.Lookup(RuntimeValue{Producer: match[1], Field: match[2]})
		if err != nil {
			if failure == nil {
				failure = err
			}
			return placeholder
		}
		return FormatValue(value)
	})
	return resolved, failure
}

// ResolveTyped resolves a string to a typed value if the whole of it is one placeholder, to a text otherwise.
func ResolveTyped(text string, values Values) (any, error) {
	if match := runtimeValuePattern.FindStringSubmatch(text); match != nil && match[0] == text {
		return values.Lookup(RuntimeValue{Producer: match[1], Field: match[2]})
	}
	return ResolveText(text, values)
}

// ResolveAny resolves every string inside a JSON-like value. A string that is one placeholder becomes typed when typed
// is set. Keys are left alone.
func ResolveAny(value any, values Values, typed bool) (any, error) {
	switch value := value.(type) {
	case string:
		if typed {
			return ResolveTyped(value, values)
		}
		return ResolveText(value, values)
	case []any:
		resolved := make([]any, len(value))
		for i, element := range value {
			var err error
			if resolved[i], err = ResolveAny(element, values, typed); err != nil {
				return nil, err
			}
		}
		return resolved, nil
	case map[string]any:
		resolved := make(map[string]any, len(value))
		for key, element := range value {
			var err error
			if resolved[key], err = ResolveAny(element, values, typed); err != nil {
				return nil, err
			}
		}
		return resolved, nil
	default:
		return value, nil
	}
}

// FormatValue gives the text that a value has inside another string: strings raw, integers as digits, booleans as
// True and False, None for nil, lists and dictionaries in Starlark's notation, as package authors expect.
func FormatValue(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return starlarkRepr(value)
}

func starlarkRepr(value any) string {
	switch value := value.(type) {
	case nil:
		return "None"
	case bool:
		if value {
			return "True"
		}
		return "False"
	case string:
		return strconv.Quote(value)
	case int64:
		return strconv.FormatInt(value, 10)
	case *big.Int:
		return value.String()
	case float64:
		text := strconv.FormatFloat(value, 'g', -1, 64)
		if !strings.ContainsAny(text, ".eIN") {
			text += ".0"
		}
		return text
	case []any:
		elements := make([]string, len(value))
		for i, element := range value {
			elements[i] = starlarkRepr(element)
		}
		return "[" + strings.Join(elements, ", ") + "]"
	case map[string]any:
		elements := make([]string, 0, len(value))
		for _, key := range sortedKeys(value) {
			elements = append(elements, strconv.Quote(key)+": "+starlarkRepr(value[key]))
		}
		return "{" + strings.Join(elements, ", ") + "}"
	default:
		return fmt.Sprint(value)
	}
}
