package language

import (
	"context"
	"math/big"
	"reflect"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	big, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for name, c := range map[string]struct {
		source string
		args   map[string]any
		want   string
	}{
		"no parameters":            {"def run():\n  return 1", nil, "1"},
		"legacy, empty":            {"def run(plan, args):\n  return [type(args), args]", nil, `["dict",{}]`},
		"legacy":                   {"def run(plan, args):\n  return args", map[string]any{"a": int64(1)}, `{"a":1}`},
		"legacy by position":       {"def run(plan, args={}):\n  return args", map[string]any{"args": "x"}, `{"args":"x"}`},
		"keywords, one named args": {"def run(plan, args, other={}):\n  return [args, other]", map[string]any{"args": "x"}, `["x",{}]`},
		"keywords only":            {"def run(plan, *, a):\n  return a", map[string]any{"a": true}, `true`},
		"rest":                     {"def run(plan, a, **kwargs):\n  return [a, kwargs]", map[string]any{"a": 1, "z": nil, "b": 2.5}, `[1,{"b":2.5,"z":null}]`},
		"star args":                {"def run(plan, *args):\n  return [type(args), args]", map[string]any{"a": int64(1)}, `["tuple",[{"a":1}]]`},
		"sorts of values": {
			"def run(plan, args):\n  return [type(x) for x in args['l']] + [args['l'], args.keys()]",
			map[string]any{"l": []any{nil, true, int64(-1), big, 1.5, "s", []any{}, map[string]any{}}, "b": "", "a": ""},
			`["NoneType","bool","int","int","float","string","list","dict",[null,true,-1,123456789012345678901234567890,1.5,"s",[],{}],["a","b","l"]]`,
		},
		"struct parser":            {"def run(plan, args):\n  return [type(args), args.a.b, type(args.l[0]), args._kurtosis_parser]", map[string]any{"_kurtosis_parser": "struct", "a": map[string]any{"b": 1}, "l": []any{map[string]any{}}}, `["struct",1,"dict","struct"]`},
		"dict parser":              {"def run(plan, args):\n  return args", map[string]any{"_kurtosis_parser": "dict", "a": 1}, `{"_kurtosis_parser":"dict","a":1}`},
		"dict parser and keywords": {"def run(plan, a=0, b=0):\n  return a", map[string]any{"_kurtosis_parser": "dict", "a": 1}, `1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := interpret(t, c.source, Request{Args: c.args})
			if err != nil {
				t.Fatal(err)
			}
			checkOutput(t, made, c.want)
		})
	}
}

func TestEntryErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source  string
		request Request
		want    refused
	}{
		"no function":         {"def rum(plan):\n  pass", Request{}, refused{at: "main.star:1:1", want: []string{"No 'run' function found in the file main.star of package github.com/test/package", `did you mean "rum"?`}}},
		"not a function":      {"run = 1", Request{}, refused{want: []string{"No 'run' function found"}}},
		"first parameter":     {"def run(args):\n  pass", Request{}, refused{at: "main.star:1:9", want: []string{"Expected argument at index '0' of run function to be called 'plan' got 'args'"}}},
		"unknown and missing": {"def run(plan, first, second):\n  pass", Request{Args: map[string]any{"frist": 1, "x": 1}}, refused{at: "main.star:1:1", want: []string{`unexpected keyword argument "frist" (did you mean "first"?)`, `unexpected keyword argument "x"`, `missing argument "second"`, `the package takes "first", "second"`}}},
		"plan as an argument": {"def run(plan, a=1):\n  pass", Request{Args: map[string]any{"plan": 1}}, refused{want: []string{`unexpected keyword argument "plan"`}}},
		"legacy with a star":  {"def run(plan, **args):\n  pass", Request{Args: map[string]any{"a": 1}}, refused{want: []string{"accepts 1 positional argument"}}},
		"parser":              {"def run(plan, args):\n  pass", Request{Args: map[string]any{"_kurtosis_parser": "yaml"}}, refused{want: []string{`_kurtosis_parser must be "dict" or "struct", got string "yaml"`}}},
		"struct and keywords": {"def run(plan, a):\n  pass", Request{Args: map[string]any{"_kurtosis_parser": "struct", "a": 1}}, refused{want: []string{"works only with the form run(plan, args)"}}},
		"main file":           {"", Request{MainFile: "other.star"}, refused{want: []string{`main file "other.star" of package github.com/test/package: not found`}}},
		"main file outside":   {"", Request{MainFile: "../main.star"}, refused{want: []string{"path leaves the repository"}}},
		"strange argument":    {"def run(plan, args):\n  pass", Request{Args: map[string]any{"a": []any{struct{}{}}}}, refused{want: []string{`["a"][0]: a value of this sort cannot be an argument`}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := interpret(t, c.source, c.request)
			checkRefused(t, err, c.want)
		})
	}
}

func TestOtherMainFunction(t *testing.T) {
	t.Parallel()
	pkg := testPackage(t, map[string]string{"sub/entry.star": "def deploy(plan, a):\n  return a\ndef plain(a):\n  return a\n"})
	for _, function := range []string{"deploy", "plain"} {
		made, err := Interpret(context.Background(), pkg, Request{MainFile: "sub/entry.star", MainFunction: function, Args: map[string]any{"a": "x"}})
		if err != nil {
			t.Errorf("%s: %v", function, err)
			continue
		}
		checkOutput(t, made, `"x"`)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	pkg := testPackage(t, map[string]string{"main.star": `
DEFAULT = {"a": [1]}
def run(plan, name, replicas=1, config=DEFAULT, callback=len, *, tail=None, **rest):
    """Makes a shop.

    Longer text: with a colon.

    Args:
        name (string): Name of the shop.
            It may be long.
        replicas (int): How many.
        config (dict[string, list[int]]):
            Everything else.
        tail: No type.

    Returns:
        name (string): not a parameter
    """
`})
	got, err := Parameters(context.Background(), pkg, "", "")
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.Parameter{
		{Name: "name", Type: "string", Required: true, Doc: "Name of the shop. It may be long."},
		{Name: "replicas", Type: "int", Default: int64(1), Doc: "How many."},
		{Name: "config", Type: "dict[string, list[int]]", Default: map[string]any{"a": []any{int64(1)}}, Doc: "Everything else."},
		{Name: "callback"},
		{Name: "tail", Doc: "No type."},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	legacy, err := Parameters(context.Background(), testPackage(t, map[string]string{"main.star": "def run(plan, args):\n  fail()"}), "", "")
	if err != nil || len(legacy) != 1 || legacy[0].Required {
		t.Errorf("legacy: %+v, %v", legacy, err)
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`None`: `null`,
		`{"z": (1, 2), "a": struct(b=PortSpec(1))}`: `{"a":{"b":{"number":1}},"z":[1,2]}`,
		`range(3)`:         `[0,1,2]`,
		`1.0`:              `1`,
		`{1: 2}`:           `"{1: 2}"`,
		`[len]`:            `"[<built-in function len>]"`,
		`float("inf")`:     `"+inf"`,
		`{"é": "\u2028<"}`: `{"é":"\u2028<"}`,
	} {
		made, err := interpret(t, entryOf("return "+value), Request{})
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		checkOutput(t, made, want)
	}
}
