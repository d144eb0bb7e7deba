package value

import (
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

// FuzzRoundTrip looks for values that a package gives or takes and that come back changed through a configuration's values.
// Whole floats come back as integers: a configuration has one sort of numbers.
func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{
		`null`, `true`, `0`, `-1`, `1.0`, `0.1`, `1e300`, `-0.0`, `1e-320`, `9007199254740993`, `123456789012345678901234567890`, `"x"`, `""`, `"{{sundog:a:b}}"`, `[]`, `{}`, `[null, [null]]`,
		`{"a": {"b": [1, "x", {"c": null}]}}`, `{"": 1}`, `[1, "a", true]`, `{"a b": 1, "ä": 2, "1": 3}`, "\"\\u0000\\ud800\"", `1e1000`, `123456789e400`, "1" + strings.Repeat("23456789", 30),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var raw any
		if decoder.Decode(&raw) != nil {
			return
		}
		given, ok := withNumbers(raw)
		if !ok {
			return
		}
		dynamic, err := ToDynamic(t.Context(), given)
		if err != nil {
			if !strings.Contains(err.Error(), "bits") {
				t.Errorf("%s cannot be given: %v", text, err)
			}
			return
		}
		if !Known(t.Context(), dynamic) {
			t.Errorf("%s is not known", text)
		}
		back, err := ToGo("value", dynamic)
		if err != nil {
			t.Fatalf("%s does not come back: %v", text, err)
		}
		if want := wholeNumbers(given); !reflect.DeepEqual(wholeNumbers(back), want) {
			t.Errorf("%s came back as %#v; want %#v", text, back, want)
		}
		again, err := ToDynamic(t.Context(), back)
		if err != nil || !again.Equal(dynamic) {
			t.Errorf("%s is not stable: %v, then %v (%v)", text, dynamic, again, err)
		}
	})
}

// withNumbers reads numbers as arguments are read; false where one is too large for a float.
func withNumbers(value any) (any, bool) {
	switch value := value.(type) {
	case json.Number:
		if n, err := value.Int64(); err == nil {
			return n, true
		}
		if n, ok := new(big.Int).SetString(value.String(), 10); ok {
			return n, true
		}
		n, err := value.Float64()
		return n, err == nil
	case []any:
		for i := range value {
			converted, ok := withNumbers(value[i])
			if !ok {
				return nil, false
			}
			value[i] = converted
		}
	case map[string]any:
		for key := range value {
			converted, ok := withNumbers(value[key])
			if !ok {
				return nil, false
			}
			value[key] = converted
		}
	}
	return value, true
}

// wholeNumbers gives floats and integers of one value one form.
func wholeNumbers(value any) any {
	switch value := value.(type) {
	case int64:
		return "number " + new(big.Float).SetPrec(2048).SetInt64(value).Text('g', -1)
	case *big.Int:
		return "number " + new(big.Float).SetPrec(2048).SetInt(value).Text('g', -1)
	case float64:
		if value == 0 {
			return wholeNumbers(int64(0)) // A configuration has one zero.
		}
		if whole := new(big.Float).SetFloat64(value); whole.IsInt() {
			// The shortest text is what a float means, as everywhere in a configuration.
			return "number " + decimal(value).SetPrec(2048).Text('g', -1)
		}
		return value
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = wholeNumbers(value[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(value))
		for key := range value {
			object[key] = wholeNumbers(value[key])
		}
		return object
	}
	return value
}
