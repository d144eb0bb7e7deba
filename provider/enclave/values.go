package enclave

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// Parts of a block, whatever is left out being empty.

func text(v attr.Value) string {
	if s, ok := v.(basetypes.StringValue); ok {
		return s.ValueString()
	}
	return ""
}

func texts(v attr.Value) map[string]string {
	if m, ok := v.(basetypes.MapValue); ok && len(m.Elements()) > 0 {
		return value.Strings(m)
	}
	return nil
}

func number(v attr.Value) int {
	if n, ok := v.(basetypes.Int64Value); ok {
		return int(n.ValueInt64())
	}
	return 0
}

func truth(v attr.Value) bool {
	b, ok := v.(basetypes.BoolValue)
	return ok && b.ValueBool()
}

func object(v attr.Value) map[string]attr.Value {
	if o, ok := v.(basetypes.ObjectValue); ok {
		return given(o)
	}
	return nil
}

func mapOrNull(m map[string]string) types.Map {
	if len(m) == 0 {
		return types.MapNull(types.StringType)
	}
	return value.StringMap(m)
}

func numberOrNull(n int) types.Int64 {
	if n == 0 {
		return types.Int64Null()
	}
	return types.Int64Value(int64(n))
}

// built is an object of a type that the schema gives.
func built(kind attr.Type, attributes map[string]attr.Value) attr.Value {
	of, ok := kind.(types.ObjectType)
	if !ok {
		return types.ObjectNull(nil)
	}
	return types.ObjectValueMust(of.AttrTypes, attributes)
}

// nullOf is the null of a type that the schema of the block holds.
func nullOf(kind attr.Type) attr.Value {
	switch kind := kind.(type) {
	case types.ObjectType:
		return types.ObjectNull(kind.AttrTypes)
	case types.MapType:
		return types.MapNull(kind.ElemType)
	case types.ListType:
		return types.ListNull(kind.ElemType)
	case basetypes.BoolType:
		return types.BoolNull()
	case basetypes.Int64Type:
		return types.Int64Null()
	default:
		return types.StringNull()
	}
}
