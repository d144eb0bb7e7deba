package plan

import (
	"errors"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type mapValues map[RuntimeValue]any

func (m mapValues) Lookup(value RuntimeValue) (any, error) {
	if found, ok := m[value]; ok {
		return found, nil
	}
	return nil, errors.New("unknown " + value.String())
}

func TestRuntimeValueSurvivesStrings(t *testing.T) {
	value := RuntimeValue{Producer: "db#2", Field: "extract.id"}
	text := "a-" + value.String() + "-b-" + value.String()
	if diff := cmp.Diff([]RuntimeValue{value, value}, FindRuntimeValues(text)); diff != "" {
		t.Error(diff)
	}
	if got := ReadableRuntimeValues(text); got != "a-{{db#2.extract.id}}-b-{{db#2.extract.id}}" {
		t.Error(got)
	}
}

func TestResolve(t *testing.T) {
	code := RuntimeValue{Producer: "db#1", Field: "code"}
	output := RuntimeValue{Producer: "db#1", Field: "output"}
	values := mapValues{code: int64(0), output: "again " + code.String()}

	text, err := ResolveText("c="+code.String()+" o="+output.String(), values)
	if err != nil || text != "c=0 o=again "+code.String() {
		t.Errorf("inserted text must not be scanned again: %q, %v", text, err)
	}
	typed, err := ResolveTyped(code.String(), values)
	if err != nil || typed != int64(0) {
		t.Errorf("a lone placeholder keeps its type: %#v, %v", typed, err)
	}
	if _, err := ResolveText((RuntimeValue{Producer: "x", Field: "code"}).String(), values); err == nil {
		t.Error("an unknown value must be an error")
	}
	resolved, err := ResolveAny(map[string]any{"list": []any{code.String(), "n" + code.String(), int64(7)}}, values, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"list": []any{int64(0), "n0", int64(7)}}, resolved); diff != "" {
		t.Error(diff)
	}
}

func TestFormatValue(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for want, value := range map[string]any{
		"text":                           "text",
		"True":                           true,
		"None":                           nil,
		"-3":                             int64(-3),
		"123456789012345678901234567890": huge,
		"2.0":                            2.0,
		`["a", 1, {"k": None}]`:          []any{"a", int64(1), map[string]any{"k": nil}},
	} {
		if got := FormatValue(value); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzFindRuntimeValues(f *testing.F) {
	f.Add("{{sundog:db:hostname}}")
	f.Add("{{sundog:{{sundog:a:b}}:c}}")
	f.Fuzz(func(t *testing.T, text string) {
		for _, value := range FindRuntimeValues(text) {
			again := FindRuntimeValues(value.String())
			if len(again) != 1 || again[0] != value {
				t.Errorf("%#v does not survive its own text form", value)
			}
		}
	})
}
