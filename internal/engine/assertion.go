package engine

import (
	"cmp"
	"fmt"
	"math/big"
	"strconv"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// typeName gives a value's Starlark type name.
func typeName(value any) string {
	switch value.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "string"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case []any:
		return "list"
	case map[string]any:
		return "dict"
	default:
		return "value"
	}
}

// shown is how a value stands in a message: texts in quotes, so that a blank at the end shows.
func shown(value any) string {
	if text, ok := value.(string); ok {
		return strconv.Quote(text)
	}
	return plan.FormatValue(value)
}

// holdsTrue judges an assertion. An error tells that the two cannot be compared at all.
func holdsTrue(value any, assertion string, target any) (bool, error) {
	switch assertion {
	case "IN", "NOT_IN":
		list, ok := target.([]any)
		if keys, isDict := target.(map[string]any); isDict {
			// Iterating over a dictionary gives its keys.
			for _, key := range sortedKeys(keys) {
				list = append(list, key)
			}
			ok = true
		}
		if !ok {
			return false, fmt.Errorf("%s needs a list to look in, not a %s", assertion, typeName(target))
		}
		found := false
		for _, element := range list {
			found = found || equal(value, element)
		}
		return found == (assertion == "IN"), nil
	}
	if left, right := typeName(value), typeName(target); left != right {
		return false, fmt.Errorf("%s is of type %s and %s of type %s, so that %s cannot compare them", shown(value), left, shown(target), right, assertion)
	}
	switch assertion {
	case "==":
		return equal(value, target), nil
	case "!=":
		return !equal(value, target), nil
	}
	order, err := compare(value, target)
	if err != nil {
		return false, err
	}
	switch assertion {
	case ">=":
		return order >= 0, nil
	case ">":
		return order > 0, nil
	case "<=":
		return order <= 0, nil
	case "<":
		return order < 0, nil
	default:
		return false, fmt.Errorf("%q is no assertion: use ==, !=, >=, >, <=, <, IN or NOT_IN", assertion)
	}
}

// equal compares as Starlark does: an integer and a float of the same value are equal.
func equal(left, right any) bool {
	switch left := left.(type) {
	case []any:
		other, ok := right.([]any)
		if !ok || len(left) != len(other) {
			return false
		}
		for i := range left {
			if !equal(left[i], other[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		other, ok := right.(map[string]any)
		if !ok || len(left) != len(other) {
			return false
		}
		for key, value := range left {
			element, found := other[key]
			if !found || !equal(value, element) {
				return false
			}
		}
		return true
	}
	if a, b := number(left), number(right); a != nil && b != nil {
		return a.Cmp(b) == 0
	}
	return left == right
}

// number gives an exact number, or nil for what is none.
func number(value any) *big.Float {
	switch value := value.(type) {
	case int64:
		return new(big.Float).SetInt64(value)
	case *big.Int:
		return new(big.Float).SetInt(value)
	case float64:
		if value != value { //nolint:gocritic // NaN is the one value that differs from itself, and big.Float has none.
			return nil
		}
		return new(big.Float).SetFloat64(value)
	default:
		return nil
	}
}

// compare orders two values of the same type.
func compare(left, right any) (int, error) {
	if a, b := number(left), number(right); a != nil && b != nil {
		return a.Cmp(b), nil
	}
	switch left := left.(type) {
	case string:
		return cmp.Compare(left, right.(string)), nil //nolint:forcetypeassert // Both have the same type name.
	case bool:
		return cmp.Compare(boolNumber(left), boolNumber(right.(bool))), nil //nolint:forcetypeassert // As above.
	case []any:
		other := right.([]any) //nolint:forcetypeassert // As above.
		for i := range min(len(left), len(other)) {
			if equal(left[i], other[i]) {
				continue
			}
			if a, b := typeName(left[i]), typeName(other[i]); a != b {
				return 0, fmt.Errorf("a %s and a %s have no order", a, b)
			}
			return compare(left[i], other[i])
		}
		return cmp.Compare(len(left), len(other)), nil
	default:
		return 0, fmt.Errorf("values of type %s have no order", typeName(left))
	}
}

func boolNumber(value bool) int {
	if value {
		return 1
	}
	return 0
}
