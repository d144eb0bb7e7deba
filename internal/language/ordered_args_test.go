package language

import (
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseArgs(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for text, want := range map[string]any{
		"":    nil,
		"  ":  nil,
		"# x": map[string]any{},
		"{}":  map[string]any{},
		`{"b": 1, "a": [1.0, -2, 1e3, true, null, "x"]}`:                        map[string]any{"b": int64(1), "a": []any{1.0, int64(-2), 1000.0, true, nil, "x"}},
		`{"n": 123456789012345678901234567890}`:                                 map[string]any{"n": huge},
		"a: 1\nb: {c: [x, 'yes', yes, 0x10, 1.5, ~]}":                           map[string]any{"a": int64(1), "b": map[string]any{"c": []any{"x", "yes", true, int64(16), 1.5, nil}}},
		"n: 123456789012345678901234567890":                                     map[string]any{"n": huge},
		"base: &b {x: 1, y: 2}\nmade: {<<: *b, y: 3}":                           map[string]any{"base": map[string]any{"x": int64(1), "y": int64(2)}, "made": map[string]any{"x": int64(1), "y": int64(3)}},
		"date: 2026-01-02":                                                      map[string]any{"date": "2026-01-02"},
		"8545: port":                                                            map[string]any{"8545": "port"},
		`{"a": 1, "a": 2}`:                                                      map[string]any{"a": int64(2)},
		`{"deep": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}": nil,
	} {
		parsed, err := ParseArgs(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if want == nil {
			continue
		}
		value, err := parsed.starlark()
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := toData(value)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestParseArgsKeepsTheOrder(t *testing.T) {
	for _, text := range []string{`{"z": 1, "a": 2, "m": 3}`, "z: 1\na: 2\nm: 3\n"} {
		parsed, err := ParseArgs(text)
		if err != nil {
			t.Fatal(err)
		}
		value, err := parsed.starlark()
		if err != nil {
			t.Fatal(err)
		}
		if got := value.String(); got != `{"z": 1, "a": 2, "m": 3}` {
			t.Error(got)
		}
	}
}

func TestParseArgsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"[1]":                    "the arguments are a list",
		"3":                      "the arguments are a number",
		`"x"`:                    "the arguments are a string",
		"null":                   "the arguments are null",
		`{"a": 1,, }`:            "line 1, column 8",
		"{\n\"a\": 1,\n\"b\" 2}": "line 3",
		"a: 1\na: 2":             `line 2: the key "a" stands twice`,
		"a: 1\n---\nb: 2":        "more than one document",
		"a: !!binary aGk=":       "line 1: binary values",
		"? [a]\n: 1":             "line 1: a key must be a plain value",
		`{"deep": ` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + "}": "nested more than",
		"a: &a [*a]":   "",
		`{"a": 1e400}`: "too large",
	} {
		if _, err := ParseArgs(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseArgs(f *testing.F) {
	for _, text := range []string{"{}", `{"a": [1, 2.5, null]}`, "a: &x {b: 1}\nc: {<<: *x}\n", "a: [1e400]", "{", "- 1", "a: !!int x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseArgs(text)
		if err != nil {
			return
		}
		value, err := parsed.starlark()
		if err != nil {
			return
		}
		// What was read has a JSON form again, unless it is too large to be written out.
		if _, err := toData(value); err != nil && !strings.Contains(err.Error(), "JSON form") && !strings.Contains(err.Error(), "the value") {
			t.Error(err)
		}
	})
}
