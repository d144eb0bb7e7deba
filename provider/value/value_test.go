package value

import (
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func bigInts(a, b *big.Int) bool { return a.Cmp(b) == 0 }

func TestToGoAndBack(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for name, v := range map[string]any{
		"text":    "a",
		"true":    true,
		"whole":   int64(7),
		"huge":    huge,
		"decimal": 0.1,
		"list":    []any{int64(1), "a", nil, 2.5},
		"empty":   map[string]any{},
		"none":    []any{},
		"object":  map[string]any{"a": map[string]any{"b": []any{true}}, "null": nil},
	} {
		dynamic, err := ToDynamic(t.Context(), v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := ToGo("args", dynamic)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(v, back, cmp.Comparer(bigInts)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		again, err := ToDynamic(t.Context(), back)
		if err != nil || !again.Equal(dynamic) || !again.UnderlyingValue().Type(t.Context()).Equal(dynamic.UnderlyingValue().Type(t.Context())) {
			t.Errorf("%s: equal values must have equal types", name)
		}
		if _, err := dynamic.UnderlyingValue().ToTerraformValue(t.Context()); err != nil {
			t.Errorf("%s: does not go over the wire: %v", name, err)
		}
	}
}

func TestDecimalIsTheDecimal(t *testing.T) {
	dynamic, err := ToDynamic(t.Context(), 0.1)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _, err := big.ParseFloat("0.1", 10, 512, big.ToNearestEven)
	if err != nil {
		t.Fatal(err)
	}
	if !dynamic.UnderlyingValue().Equal(types.NumberValue(parsed)) {
		t.Error("0.1 out of a package and 0.1 out of a state file must be equal")
	}
}

func TestToGoFromCollections(t *testing.T) {
	got, err := ToGo("args", types.MapValueMust(types.StringType, map[string]attr.Value{"k": types.StringValue("v"), "n": types.StringNull()}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"k": "v", "n": nil}, got); diff != "" {
		t.Error(diff)
	}
	got, err = ToGo("args", types.ListValueMust(types.Int64Type, []attr.Value{types.Int64Value(3)}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{int64(3)}, got); diff != "" {
		t.Error(diff)
	}
}

func TestToGoNamesWhatIsUnknown(t *testing.T) {
	inner := types.ObjectValueMust(map[string]attr.Type{"a": types.TupleType{ElemTypes: []attr.Type{types.StringType}}},
		map[string]attr.Value{"a": types.TupleValueMust([]attr.Type{types.StringType}, []attr.Value{types.StringUnknown()})})
	for want, v := range map[string]attr.Value{
		`args["a"][0] is not known yet`: types.DynamicValue(inner),
		`args is not known yet`:         types.DynamicUnknown(),
	} {
		if Known(t.Context(), v) {
			t.Errorf("%s: must not count as known", want)
		}
		if _, err := ToGo("args", v); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if !Known(t.Context(), types.DynamicNull()) {
		t.Error("null is known")
	}
}

func TestToObjectRefusesOthers(t *testing.T) {
	if _, err := ToObject("args", types.DynamicValue(types.StringValue("x"))); err == nil {
		t.Error("a string is no object")
	}
	if object, err := ToObject("args", types.DynamicNull()); err != nil || object != nil {
		t.Errorf("null is no arguments: %v, %v", object, err)
	}
}

func TestFromGoRefusesWhatHasNoCounterpart(t *testing.T) {
	if _, err := ToDynamic(t.Context(), map[string]any{"a": []any{func() {}}}); err == nil || err.Error() != `["a"]: [0]: the value is neither a string, a number, a boolean, None, a list nor a dictionary` {
		t.Errorf("got %v", err)
	}
}

func TestMerge(t *testing.T) {
	base := map[string]any{"a": map[string]any{"x": int64(1), "y": int64(2)}, "b": "keep", "c": "old"}
	got := Merge(base, map[string]any{"a": map[string]any{"y": "secret"}, "c": nil})
	want := map[string]any{"a": map[string]any{"x": int64(1), "y": "secret"}, "b": "keep", "c": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if base["c"] != "old" {
		t.Error("the base must not change")
	}
}

func TestIntegersThatAConfigurationCannotKeepAreRefused(t *testing.T) {
	exact := new(big.Int).Lsh(big.NewInt(1), 600)
	if _, err := ToDynamic(t.Context(), exact); err != nil {
		t.Errorf("a power of two needs no more than one bit: %v", err)
	}
	_, err := ToDynamic(t.Context(), []any{exact.Add(exact, big.NewInt(1))})
	if err == nil || !strings.Contains(err.Error(), "[0]: the integer has 601 bits") {
		t.Errorf("error %v", err)
	}
}
