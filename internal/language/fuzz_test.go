package language

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// fuzzLimits keep a hostile file from slowing the search down.
func fuzzLimits() Limits {
	return Limits{Steps: 200_000, Memory: 512 << 20, Time: 20 * time.Second}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"", "def run(plan):\n  pass", "def run(plan, args):\n  plan.print(args)", "x = [i * 2 for i in range(3)]\ndef run(plan):\n  return x",
		"def run(plan):\n  s = plan.add_service('a', ServiceConfig('x', ports={'p': PortSpec(1)}))\n  plan.exec('a', ExecRecipe([s.ip_address]))",
		"def run(plan):\n  plan.run_sh(run='x', store=[StoreSpec('/a')])\n  plan.render_templates({'a': struct(template='{{', data=1)})",
		"import_module('./main.star')", "read_file('../../../etc/passwd')", "load('x', 'y')", "x = 'a' * 99999999999", "def f(): return f\nx = f",
		"def run(plan):\n  plan.assert('a', '==', 1)", "x = (" + strings.Repeat("(", 50), "def run(plan):\n  '%s' % (1,)\n  'x'.format(1)\n  a = 1\n  a *= 2\n",
		"def run(plan):\n  plan.wait('a', GetHttpRequestRecipe('p', '/'), 'code', 'IN', [1])", "def run(plan, a=1, *b, **c):\n  '''x\n\n  Args:\n    a (int): b\n  '''\n",
		"def run(plan):\n  plan.upload_files('.')\n  json.decode('[[')\n  time.now()\n", "def run(plan):\n  return {'a': {1: len}}", "\x00", "\xff",
	} {
		f.Add(seed)
	}
	for _, seed := range conformanceSources(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		pkg := testPackage(t, map[string]string{"main.star": source})
		made, err := Interpret(context.Background(), pkg, Request{Limits: fuzzLimits()})
		checkFuzzed(t, err)
		if err != nil {
			return
		}
		if _, err := json.Marshal(made); err != nil {
			t.Errorf("the plan cannot be written: %v", err)
		}
		again, err := Interpret(context.Background(), pkg, Request{Limits: fuzzLimits()})
		if err != nil {
			t.Fatalf("the second interpretation fails: %v", err)
		}
		first, err1 := plan.KeyedDigest(nil, made)
		second, err2 := plan.KeyedDigest(nil, again)
		if err1 != nil || err2 != nil || first != second {
			t.Errorf("two interpretations differ (%v, %v)", err1, err2)
		}
	})
}

// conformanceSources are the main files of the conformance suite's packages: every instruction and type is among them.
func conformanceSources(f *testing.F) []string {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join("conformance", "testdata", "*", "*.txtar"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("the conformance suite is not there: %v", err)
	}
	var sources []string
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			// A case about limits says nothing here, as the limits are others.
			if file.Name == "main.star" && !strings.Contains(string(file.Data), "range(100000") {
				sources = append(sources, string(file.Data))
			}
		}
	}
	return sources
}

func FuzzArguments(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a": 1}`, `{"a": null, "b": [true, 1.5, "x", {"c": []}]}`, `{"_kurtosis_parser": "struct", "a": {"b": 1}}`, `{"_kurtosis_parser": 1}`,
		`{"a": 123456789012345678901234567890}`, `{"": {"": ""}}`, `{"a": "{{sundog:x:y}}"}`, `{"a": 1e300, "b": -0.0}`, `{"": 1e700}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args, ok := jsonLike(text).(map[string]any)
		if !ok {
			return
		}
		pkg := testPackage(t, map[string]string{"main.star": "def run(plan, args):\n  plan.print(args)\n  return args\n", "rest.star": "def run(plan, **rest):\n  return rest\n"})
		made, err := Interpret(context.Background(), pkg, Request{Args: args, Limits: fuzzLimits()})
		checkFuzzed(t, err)
		if err == nil && args[parserKey] == nil {
			want, _ := json.Marshal(args)
			got, err := json.Marshal(made.Output)
			if err != nil || string(got) != string(want) {
				t.Errorf("arguments %s came back as %s (%v)", want, got, err)
			}
		}
		_, err = Interpret(context.Background(), pkg, Request{Args: args, MainFile: "rest.star", Limits: fuzzLimits()})
		checkFuzzed(t, err)
	})
}

// jsonLike reads JSON into the values that arguments may have; nil when it is none.
func jsonLike(text string) any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	var convert func(any) any
	convert = func(value any) any {
		switch value := value.(type) {
		case json.Number:
			if n, err := value.Int64(); err == nil {
				return n
			}
			if n, ok := new(big.Int).SetString(value.String(), 10); ok {
				return n
			}
			n, _ := value.Float64()
			return n
		case []any:
			for i := range value {
				value[i] = convert(value[i])
			}
		case map[string]any:
			for key := range value {
				value[key] = convert(value[key])
			}
		}
		return value
	}
	return convert(value)
}

func FuzzDocstring(f *testing.F) {
	f.Add("Text.\n\nArgs:\n  a (int): x\n    more\n  b: y\nReturns:\n  z\n")
	f.Fuzz(func(t *testing.T, doc string) {
		for name := range parseDocstring(doc) {
			if name == "" {
				t.Error("a parameter without a name")
			}
		}
	})
}

func FuzzCheckSource(f *testing.F) {
	for _, seed := range []string{"x = '''a'''", "'\\", "\"\"\"", "([{", "# x", "x\n\ty", "r'\\'"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		var failure *Error
		if err := checkSource("x.star", source); err != nil && !errors.As(err, &failure) {
			t.Errorf("%v", err)
		}
	})
}

// checkFuzzed: whatever the input, an error is one of ours and blames the package rather than us.
func checkFuzzed(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var failure *Error
	if !errors.As(err, &failure) || failure.Message == "" || len(failure.Problems) == 0 {
		t.Errorf("error %v is not complete", err)
	}
	if strings.Contains(err.Error(), "internal error") {
		t.Errorf("error %v", err)
	}
}
