package value

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// ToDynamic converts a JSON-like Go value to a dynamic value: maps become objects and lists tuples, which is what literals
// of a configuration are, so that equal values always have equal types.
func ToDynamic(ctx context.Context, v any) (types.Dynamic, error) {
	if v == nil {
		return types.DynamicNull(), nil
	}
	converted, err := fromGo(ctx, v)
	if err != nil {
		return types.DynamicNull(), err
	}
	return types.DynamicValue(converted), nil
}

func fromGo(ctx context.Context, v any) (attr.Value, error) {
	switch v := v.(type) {
	case nil:
		// Null elements have no type of their own; a dynamic null is what a literal null in a tuple is.
		return types.DynamicNull(), nil
	case bool:
		return types.BoolValue(v), nil
	case string:
		return types.StringValue(v), nil
	case int:
		return types.NumberValue(newFloat().SetInt64(int64(v))), nil
	case int64:
		return types.NumberValue(newFloat().SetInt64(v)), nil
	case *big.Int:
		number := newFloat().SetInt(v)
		if number.Acc() != big.Exact {
			return nil, fmt.Errorf("the integer has %d bits, and a configuration keeps %d of them: give it as a text, by str(x)", v.BitLen(), number.Prec())
		}
		return types.NumberValue(number), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("the number %v has no counterpart in a configuration", v)
		}
		return types.NumberValue(decimal(v)), nil
	case []any:
		return tuple(ctx, v)
	case map[string]any:
		return object(ctx, v)
	default:
		return nil, errors.New("the value is neither a string, a number, a boolean, None, a list nor a dictionary")
	}
}

// newFloat has the precision that the CLIs give to numbers, so that a number survives a round trip through the state.
func newFloat() *big.Float { return new(big.Float).SetPrec(512) }

// decimal reads a float by its shortest text. The CLIs keep numbers as decimal text in the state, so 0.1 must be the
// decimal 0.1, not the binary fraction nearest to it, or every plan would show a difference.
func decimal(v float64) *big.Float {
	float, _, err := big.ParseFloat(strconv.FormatFloat(v, 'g', -1, 64), 10, 512, big.ToNearestEven)
	if err != nil {
		return big.NewFloat(v)
	}
	return float
}

func tuple(ctx context.Context, elements []any) (attr.Value, error) {
	elementTypes, values := make([]attr.Type, len(elements)), make([]attr.Value, len(elements))
	for i, element := range elements {
		converted, err := fromGo(ctx, element)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		values[i], elementTypes[i] = converted, converted.Type(ctx)
	}
	result, diagnostics := types.TupleValue(elementTypes, values)
	if diagnostics.HasError() {
		return nil, errors.New(diagnostics[0].Detail())
	}
	return result, nil
}

func object(ctx context.Context, elements map[string]any) (attr.Value, error) {
	attributeTypes, values := make(map[string]attr.Type, len(elements)), make(map[string]attr.Value, len(elements))
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		converted, err := fromGo(ctx, elements[key])
		if err != nil {
			return nil, fmt.Errorf("[%q]: %w", key, err)
		}
		values[key], attributeTypes[key] = converted, converted.Type(ctx)
	}
	result, diagnostics := types.ObjectValue(attributeTypes, values)
	if diagnostics.HasError() {
		return nil, errors.New(diagnostics[0].Detail())
	}
	return result, nil
}

// Known tells whether nothing in the value is unknown, at any depth. A dynamic value has two layers that can be unknown,
// and so has everything inside it.
func Known(ctx context.Context, v attr.Value) bool {
	if v == nil || v.IsNull() {
		return true
	}
	if dynamic, ok := v.(basetypes.DynamicValuable); ok {
		inner, diagnostics := dynamic.ToDynamicValue(ctx)
		if diagnostics.HasError() || inner.IsUnknown() || inner.IsUnderlyingValueUnknown() {
			return false
		}
		return Known(ctx, inner.UnderlyingValue())
	}
	raw, err := v.ToTerraformValue(ctx)
	return err == nil && raw.IsFullyKnown()
}

// StringOrNull turns the empty string of an engine into the null of a state.
func StringOrNull(text string) types.String {
	if text == "" {
		return types.StringNull()
	}
	return types.StringValue(text)
}

// Strings converts a fully known map or list element by element.
func Strings(m types.Map) map[string]string {
	if m.IsNull() || m.IsUnknown() {
		return nil
	}
	result := make(map[string]string, len(m.Elements()))
	for key, element := range m.Elements() {
		if text, ok := element.(types.String); ok {
			result[key] = text.ValueString()
		}
	}
	return result
}

// StringMap converts a map of strings; an empty one is a known, empty map.
func StringMap(m map[string]string) types.Map {
	elements := make(map[string]attr.Value, len(m))
	for key, text := range m {
		elements[key] = types.StringValue(text)
	}
	return types.MapValueMust(types.StringType, elements)
}
