package language

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
)

// mustBe says what a value should be and what it is.
func mustBe(want string, value starlark.Value) string {
	return fmt.Sprintf("must be %s, got %s", withArticle(want), describeValue(value))
}

// describeValue names a value's type, and shows the value where it is short and simple.
func describeValue(value starlark.Value) string {
	switch value := value.(type) {
	case starlark.NoneType:
		return "None"
	case starlark.Int, starlark.Float, starlark.Bool, starlark.String:
		if text := value.String(); len(text) <= 60 {
			return value.Type() + " " + text
		}
	}
	return value.Type()
}

func checkType[V starlark.Value](want string) func(starlark.Value) string {
	return func(value starlark.Value) string {
		if _, ok := value.(V); !ok {
			return mustBe(want, value)
		}
		return ""
	}
}

// anyText is a string that may be empty.
var anyText = kind[string]{
	name:  "string",
	check: checkType[starlark.String]("string"),
	convert: func(_ *scope, _ string, value starlark.Value) string {
		text, _ := starlark.AsString(value)
		return text
	},
}

// text is a string that says something.
var text = kind[string]{
	name: "string",
	check: func(value starlark.Value) string {
		if reason := anyText.check(value); reason != "" {
			return reason
		}
		if text, _ := starlark.AsString(value); text == "" {
			return "can't be empty"
		}
		return ""
	},
	convert: anyText.convert,
}

// identity is a name of a service or an artifact. A service's host name is a runtime value that always equals the
// service's name, so here it is replaced by that.
var identity = kind[string]{
	name: "string", check: text.check,
	convert: func(s *scope, at string, value starlark.Value) string {
		return resolveHostnames(text.convert(s, at, value))
	},
}

// oneOf is a string of a closed list.
func oneOf(choices ...string) kind[string] {
	return kind[string]{
		name: "string",
		check: func(value starlark.Value) string {
			if reason := anyText.check(value); reason != "" {
				return reason
			}
			if text, _ := starlark.AsString(value); !slices.Contains(choices, text) {
				return fmt.Sprintf("must be one of %s, got %q%s", quoteAll(choices), text, didYouMean(text, choices))
			}
			return ""
		},
		convert: anyText.convert,
	}
}

// assertion is a comparison's token.
var assertion = oneOf("==", "!=", ">=", ">", "<=", "<", "IN", "NOT_IN")

var boolean = kind[bool]{
	name:    "bool",
	check:   checkType[starlark.Bool]("bool"),
	convert: func(_ *scope, _ string, value starlark.Value) bool { return bool(value.Truth()) },
}

// integer is a whole number in a range.
func integer(low, high int64) kind[int64] {
	return kind[int64]{
		name: "int",
		check: func(value starlark.Value) string {
			number, ok := value.(starlark.Int)
			if !ok {
				return mustBe("int", value)
			}
			if n, ok := number.Int64(); !ok || n < low || n > high {
				switch {
				case low == math.MinInt64:
					return fmt.Sprintf("must be at most %d, got %s", high, shorten(number.String()))
				case high == math.MaxInt64:
					return fmt.Sprintf("must be at least %d, got %s", low, shorten(number.String()))
				}
				return fmt.Sprintf("must be between %d and %d, got %s", low, high, shorten(number.String()))
			}
			return ""
		},
		convert: func(_ *scope, _ string, value starlark.Value) int64 {
			number, _ := value.(starlark.Int)
			n, _ := number.Int64()
			return n
		},
	}
}

var anyInteger = integer(math.MinInt64, math.MaxInt64)

// duration is a Go duration in a string, for example "1m30s".
var duration = kind[time.Duration]{
	name: "duration",
	check: func(value starlark.Value) string {
		text, ok := starlark.AsString(value)
		if !ok {
			return mustBe("string such as \"30s\"", value)
		}
		parsed, err := time.ParseDuration(text)
		if err != nil || parsed < 0 {
			return fmt.Sprintf("%q is no duration: write it like \"500ms\", \"30s\" or \"1h15m\"", shorten(text))
		}
		return ""
	},
	convert: func(_ *scope, _ string, value starlark.Value) time.Duration {
		text, _ := starlark.AsString(value)
		parsed, _ := time.ParseDuration(text) // checked before
		return parsed
	},
}

// durationOrNone is a duration, or None for zero: no wait, no bound.
var durationOrNone = kind[time.Duration]{
	name: "duration | None",
	check: func(value starlark.Value) string {
		if value == starlark.None {
			return ""
		}
		return duration.check(value)
	},
	convert: func(s *scope, at string, value starlark.Value) time.Duration {
		if value == starlark.None {
			return 0
		}
		return duration.convert(s, at, value)
	},
}

// listOf is a list; tuples are refused as upstream.
func listOf[T any](element kind[T]) kind[[]T] {
	return kind[[]T]{
		name:  "list[" + element.name + "]",
		check: checkType[*starlark.List]("list[" + element.name + "]"),
		convert: func(s *scope, at string, value starlark.Value) []T {
			list, ok := value.(*starlark.List)
			if !ok || list.Len() == 0 {
				return nil
			}
			converted := make([]T, 0, list.Len())
			for i := range list.Len() {
				converted = append(converted, element.into(s, at+"["+strconv.Itoa(i)+"]", list.Index(i)))
			}
			return converted
		},
	}
}

// dictOf is a dictionary with string keys.
func dictOf[T any](element kind[T]) kind[map[string]T] {
	return kind[map[string]T]{
		name:  "dict[string, " + element.name + "]",
		check: checkType[*starlark.Dict]("dict[string, " + element.name + "]"),
		convert: func(s *scope, at string, value starlark.Value) map[string]T {
			dict, ok := value.(*starlark.Dict)
			if !ok || dict.Len() == 0 {
				return nil
			}
			converted := make(map[string]T, dict.Len())
			for _, item := range dict.Items() {
				key, ok := starlark.AsString(item[0])
				if !ok {
					s.problem(at, "key %s: must be a string", describeValue(item[0]))
					continue
				}
				converted[key] = element.into(s, at+"["+strconv.Quote(key)+"]", item[1])
			}
			return converted
		},
	}
}

// into checks and converts an element of a list or a dictionary.
func (k kind[T]) into(s *scope, at string, value starlark.Value) T {
	if reason := k.check(value); reason != "" {
		s.problem(at, "%s", reason)
		var zero T
		return zero
	}
	return k.convert(s, at, value)
}

var (
	textList = listOf(anyText)
	textDict = dictOf(anyText)
	intList  = listOf(anyInteger)
)

// anything is a value that has a JSON form: it becomes data of the plan.
var anything = kind[any]{
	name:  "any",
	check: func(starlark.Value) string { return "" },
	convert: func(s *scope, at string, value starlark.Value) any {
		converted, err := toData(value)
		if err != nil {
			s.problem(at, "%v", err)
		}
		return converted
	},
}

// unchecked is a value whose meaning its handler finds out.
func unchecked(name string) kind[starlark.Value] {
	return kind[starlark.Value]{
		name:    name,
		check:   func(starlark.Value) string { return "" },
		convert: func(_ *scope, _ string, value starlark.Value) starlark.Value { return value },
	}
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(text)
	}
	return strings.Join(quoted, ", ")
}

// shorten keeps a value from a package from filling a message.
func shorten(text string) string {
	if len(text) <= 80 {
		return text
	}
	return strings.ToValidUTF8(text[:77], "") + "..."
}
