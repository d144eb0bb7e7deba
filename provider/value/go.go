// Package value converts between the values of a configuration and the JSON-like Go values that packages take and give:
// nil, bool, int64, *big.Int, float64, string, []any and map[string]any. It is the only place where that happens, and it
// refuses what has no counterpart instead of guessing.
package value

import (
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ToGo converts a value of a configuration. Whole numbers become int64, or *big.Int beyond it, others float64; null
// becomes nil; objects and maps become map[string]any; lists, tuples and sets become []any. The error of an unknown value,
// or of one that has no counterpart, names its path below name.
func ToGo(name string, v attr.Value) (any, error) {
	if dynamic, ok := v.(types.Dynamic); ok {
		if dynamic.IsNull() || dynamic.IsUnderlyingValueNull() {
			return nil, nil
		}
		if dynamic.IsUnknown() || dynamic.IsUnderlyingValueUnknown() {
			return nil, fmt.Errorf("%s is not known yet", name)
		}
		return ToGo(name, dynamic.UnderlyingValue())
	}
	switch {
	case v == nil || v.IsNull():
		return nil, nil
	case v.IsUnknown():
		return nil, fmt.Errorf("%s is not known yet", name)
	}
	switch v := v.(type) {
	case types.Bool:
		return v.ValueBool(), nil
	case types.String:
		return v.ValueString(), nil
	case types.Number:
		return number(v.ValueBigFloat()), nil
	case types.Int64:
		return v.ValueInt64(), nil
	case types.Float64:
		return number(big.NewFloat(v.ValueFloat64())), nil
	case types.Object:
		return mapToGo(name, v.Attributes())
	case types.Map:
		return mapToGo(name, v.Elements())
	case types.Tuple:
		return listToGo(name, v.Elements())
	case types.List:
		return listToGo(name, v.Elements())
	case types.Set:
		return listToGo(name, v.Elements())
	default:
		return nil, fmt.Errorf("%s has a type that packages cannot take: give strings, numbers, booleans, null, lists and objects", name)
	}
}

func mapToGo(name string, elements map[string]attr.Value) (any, error) {
	result := make(map[string]any, len(elements))
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		element, err := ToGo(fmt.Sprintf("%s[%q]", name, key), elements[key])
		if err != nil {
			return nil, err
		}
		result[key] = element
	}
	return result, nil
}

func listToGo(name string, elements []attr.Value) (any, error) {
	result := make([]any, len(elements))
	for i, element := range elements {
		var err error
		if result[i], err = ToGo(fmt.Sprintf("%s[%d]", name, i), element); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// number picks the Go type that holds a number of a configuration, which is a big float.
func number(float *big.Float) any {
	if float == nil {
		return nil
	}
	if float.IsInt() {
		whole, _ := float.Int(nil)
		if whole.IsInt64() {
			return whole.Int64()
		}
		return whole
	}
	inexact, _ := float.Float64()
	return inexact
}

// ToObject converts a value that must be an object or a map, or null for none, to map[string]any.
func ToObject(name string, v attr.Value) (map[string]any, error) {
	converted, err := ToGo(name, v)
	if err != nil || converted == nil {
		return nil, err
	}
	object, ok := converted.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s must be an object, for example { replicas = 2 }", name)
	}
	return object, nil
}

// Merge lays over on top of base: objects are merged key by key, anything else is replaced. Neither is changed.
func Merge(base, over map[string]any) map[string]any {
	merged := make(map[string]any, len(base)+len(over))
	maps.Copy(merged, base)
	for key, upper := range over {
		lower, lowerIsObject := merged[key].(map[string]any)
		object, isObject := upper.(map[string]any)
		if lowerIsObject && isObject {
			merged[key] = Merge(lower, object)
		} else {
			merged[key] = upper
		}
	}
	return merged
}
