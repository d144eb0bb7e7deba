package language

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		limits Limits
		want   string
	}{
		"steps":  {"for i in range(1000000):\n  pass", Limits{Steps: 100_000}, "took more than 100000 steps"},
		"time":   {"for i in range(10000000):\n  for j in range(10000000):\n    pass", Limits{Steps: 1 << 60, Time: 50 * time.Millisecond}, "took longer than 50ms"},
		"memory": {"l = []\nfor i in range(10000000):\n  l.append([0] * 100000)", Limits{Memory: 64 << 20}, "more than 64 MiB of memory"},
	} {
		started := time.Now()
		_, err := interpret(t, entryOf(c.body), Request{Limits: c.limits})
		checkRefused(t, err, refused{want: []string{c.want, "raise the limit"}})
		if !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v is not ErrLimit", name, err)
		}
		if took := time.Since(started); took > 20*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

func TestStepsOfAllFilesCount(t *testing.T) {
	t.Parallel()
	files := map[string]string{"main.star": "a = import_module('a.star')\nb = import_module('b.star')\ndef run(plan):\n  pass", "a.star": "x = [0 for i in range(3000)]", "b.star": "x = [0 for i in range(3000)]"}
	if _, err := Interpret(context.Background(), testPackage(t, files), Request{Limits: Limits{Steps: 30_000}}); !errors.Is(err, ErrLimit) {
		t.Errorf("two files: %v", err)
	}
	files["b.star"] = ""
	if _, err := Interpret(context.Background(), testPackage(t, files), Request{Limits: Limits{Steps: 30_000}}); err != nil {
		t.Errorf("one file: %v", err)
	}
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	pkg := testPackage(t, map[string]string{"main.star": entryOf("for i in range(10000000):\n  for j in range(10000000):\n    pass")})
	time.AfterFunc(50*time.Millisecond, cancel)
	started := time.Now()
	_, err := Interpret(ctx, pkg, Request{Limits: Limits{Steps: 1 << 60}})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("%v", err)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("cancellation took %s", took)
	}
}

// A single operation that never ends is left behind.
func TestStuckInOneOperation(t *testing.T) {
	t.Parallel()
	body := `
a = [0] * 400
b = [0] * 400
for i in range(5):
    a = [a] * 40
    b = [b] * 40
return a == b`
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := Interpret(ctx, testPackage(t, map[string]string{"main.star": entryOf(body)}), Request{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("giving up took %s", took)
	}
}

// None of these may bring the process down, and none may succeed.
func TestHostilePackages(t *testing.T) {
	t.Parallel()
	laughs := "l = 'lol'\nfor i in range(12):\n  l = [l] * 10\n"
	for name, body := range map[string]string{
		"repeated text":         `"a" * 10000000000`,
		"repeated text, other":  `10000000000 * "a"`,
		"repeated list":         `[0] * 1000000000`,
		"repeated tuple":        `(0,) * 1000000000`,
		"repeated bytes":        `b"abc" * 1000000000`,
		"huge count":            `"a" * (1 << 500)`,
		"augmented":             "x = 'a'\nx *= 10000000000",
		"augmented element":     "x = ['a']\nx[0] *= 10000000000",
		"augmented format":      "x = '%s' * 100\nx %= tuple(['a' * 10000000] * 100)",
		"product":               "x = 3\nfor i in range(100):\n  x = x * x",
		"replace":               `("a" * 100000).replace("a", "b" * 100000)`,
		"replace nothing":       `("a" * 100000).replace("", "b" * 100000)`,
		"replace by getattr":    `getattr("a" * 100000, "replace")("a", "b" * 100000)`,
		"replace by a variable": "f = ('a' * 100000).replace\nf('a', 'b' * 100000)",
		"join":                  `("a" * 1000).join(["b" * 1000] * 1000000)`,
		"format":                `("{0}" * 10000).format("a" * 1000000)`,
		"format by name":        `("{x}" * 10000).format(x="a" * 1000000)`,
		"percent":               `("%s" * 1000) % tuple(["a" * 10000000] * 1000)`,
		"percent by name":       `("%(a)s" * 10000) % {"a": "b" * 1000000}`,
		"range":                 `list(range(1000000000000))`,
		"zip":                   "l = [0] * 10000000\nzip(*([l] * 1000))",
		"str":                   laughs + "str(l)",
		"repr":                  laughs + "repr(l)",
		"fail":                  laughs + "fail(l)",
		"percent of a value":    laughs + `"%s" % [l]`,
		"format of a value":     laughs + `"{}".format(l)`,
		"json":                  laughs + "json.encode(l)",
		"print":                 laughs + "plan.print(l)",
		"argument":              laughs + "plan.verify('a', '==', l)",
		"template data":         laughs + "plan.render_templates({'a': struct(template='', data=l)})",
		"attribute":             laughs + "ServiceConfig('x', cmd=l)",
		"deep":                  "l = []\nfor i in range(100000):\n  l = [l]\nstr(l)",
		"deep argument":         "l = []\nfor i in range(100000):\n  l = [l]\nplan.verify('a', '==', l)",
		"cyclic":                "l = []\nl.append(l)\nplan.verify('a', '==', l)",
		"deep JSON":             `json.decode("[" * 10000000)`,
		"deep JSON in turn":     `json.indent("[" * 10000)`,
		"JSON indent":           `json.indent("[1]", indent=" " * 1000)`,
		"split":                 `("a" * 100000000).split("a")`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := interpret(t, entryOf(body), Request{})
			checkRefused(t, err, refused{})
			if err != nil && len(err.Error()) > 5000 {
				t.Errorf("the error has %d characters", len(err.Error()))
			}
		})
	}
}

// An output that is too large to be written out is told as such rather than making the interpretation fail.
func TestLargeOutput(t *testing.T) {
	t.Parallel()
	made := mustInterpret(t, entryOf("l = 'lol'\nfor i in range(12):\n  l = [l] * 10\nreturn l"))
	if text, ok := made.Output.(string); !ok || !strings.Contains(text, "more than") {
		t.Errorf("output %.100v", made.Output)
	}
}

func TestHostileFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, want string }{
		"brackets":             {"x = " + strings.Repeat("(", 1_000_000), "brackets are nested more than"},
		"mixed brackets":       {"x = " + strings.Repeat("[{(", 100_000), "brackets are nested more than"},
		"not":                  {"x = " + strings.Repeat("not ", 400_000) + "1", "an expression has more than"},
		"minus":                {"x = " + strings.Repeat("-", 1_000_000) + "1", "an expression has more than"},
		"plus":                 {"x = 1" + strings.Repeat("+1", 900_000), "an expression has more than"},
		"calls":                {"x = f" + strings.Repeat("()", 900_000), "an expression has more than"},
		"lambda":               {"x = " + strings.Repeat("lambda:", 200_000) + "1", "an expression has more than"},
		"conditions":           {"x = " + strings.Repeat("1 if 1 else ", 100_000) + "1", "an expression has more than"},
		"indentation":          {"def f():\n" + strings.Repeat(" ", 5000) + "x = 1", "indented by more than"},
		"size":                 {strings.Repeat("# comment\n", 300_000), "larger than 2 MiB"},
		"open text":            {"x = '''", "unexpected EOF"},
		"open text in a line":  {"x = 'abc\ny = 1", "unexpected newline"},
		"zero byte":            {"x = 1\x00", ""},
		"no UTF-8":             {"x = '\xff\xfe'\ny = \xff", ""},
		"deep globals":         {"def f():\n  l = []\n  for i in range(200000):\n    l = [l]\n  return l\nx = f()\n", "nested too deeply"},
		"deep tuples":          {"def f():\n  l = ()\n  for i in range(200000):\n    l = (l,)\n  return [l]\nx = f()\n", "nested too deeply"},
		"function of itself":   {"def f():\n  def g():\n    return g\n  return [g]\nx = f()\n", "refers to itself"},
		"chain of functions":   {"def f():\n  g = lambda: 1\n  for i in range(100000):\n    g = (lambda h: lambda: h)(g)\n  return [g]\nx = f()\n", "nested too deeply"},
		"hidden operator name": {"x = operator *\n", "got"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := interpret(t, c.source, Request{})
			checkRefused(t, err, refused{want: []string{c.want}})
		})
	}
}

// What takes time in proportion to the square of a file's size would take minutes for the largest file.
func TestLargeFilesAreReadInTime(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"docstring":  "def run(plan, a=1):\n  \"\"\"Text.\n\n  Args:\n    a: b\n" + strings.Repeat("      c\n", 200_000) + "  \"\"\"\n",
		"statements": strings.Repeat("def f():\n  return 1\n", 1) + "def run(plan):\n  pass\n" + strings.Repeat("f()\n", 300_000),
		"elements":   "x = [\n" + strings.Repeat("  1,\n", 300_000) + "]\ndef run(plan):\n  pass\n",
		"one line":   "x = [" + strings.Repeat("1,", 900_000) + "]\ndef run(plan):\n  pass\n",
		"branches":   "def run(plan):\n  if False:\n    pass\n" + strings.Repeat("  elif x:pass\n", 5_000) + "x = 1\n",
	} {
		started := time.Now()
		if _, err := interpret(t, source, Request{}); err != nil {
			t.Errorf("%s: %.300v", name, err)
		}
		if took := time.Since(started); took > 20*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

func TestCheckSourceLetsOrdinaryFilesPass(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	list.WriteString("x = [\n")
	for range 50_000 {
		list.WriteString("  {'a': (1, 2), # comment with ( and '\n   \"b\\\"(\": r'\\(', '''c\n(''': \"\"\"(\"\"\"},\n")
	}
	list.WriteString("]\n")
	for _, source := range []string{list.String()[:maxSourceSize/2], "x = 'a' \\\n  + 'b'\n", "x = 'a\\\nb(('\ny = 1\n", strings.Repeat("x(1)\n", 100_000)} {
		if err := checkSource("main.star", []byte(source)); err != nil {
			t.Errorf("%.40q: %v", source, err)
		}
	}
}

func TestPanicsBecomeErrors(t *testing.T) {
	t.Parallel()
	in := newInterpreter(context.Background(), testPackage(t, map[string]string{"main.star": ""}), Request{}.withDefaults())
	broken := in.starlarkFunction("broken", func(*interpreter, *starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		panic("no reason")
	})
	if _, err := starlark.Call(&starlark.Thread{}, broken, nil, nil); err == nil || !strings.Contains(err.Error(), "broken: internal error: no reason") {
		t.Errorf("%v", err)
	}
	if err := in.guarded(func() error { panic("again") }); err == nil || !strings.Contains(err.Error(), "internal error: again") {
		t.Errorf("%v", err)
	}
}

func TestDeterminism(t *testing.T) {
	t.Parallel()
	files := map[string]string{"main.star": `
lib = import_module("./lib.star")
def run(plan, args):
    names = []
    for key in args:
        names.append(plan.render_templates({key + "/" + k: struct(template="{{ .}}", data=args[key]) for k in ["b", "a"]}))
    services = plan.add_services({"s-" + key: ServiceConfig("x", env_vars={k: v for k, v in args[key].items()}, files={"/" + n: n for n in names}) for key in args})
    r = [plan.exec(s, ExecRecipe([services[s].ip_address], extract={"b": ".", "a": "."})) for s in services]
    t = plan.run_sh(run=str(r), store=["/a", "/b"])
    plan.upload_files("./files")
    lib.more(plan)
    return [r, t, services]
`, "lib.star": "def more(plan):\n  plan.run_python(run='x')\n  plan.run_python(run='x')\n", "files/a": "a", "files/b": "b"}
	args := map[string]any{}
	for _, key := range []string{"q", "w", "e", "r", "t", "y"} {
		args[key] = map[string]any{"k1": "v", "k2": "w", "k3": "x"}
	}
	pkg := testPackage(t, files)
	var first string
	for i := range 20 {
		made, err := Interpret(context.Background(), pkg, Request{Args: args})
		if err != nil {
			t.Fatal(err)
		}
		text, err := plan.KeyedDigest([]byte("key"), made)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = text
		}
		if text != first {
			t.Fatal("two interpretations of the same package differ")
		}
	}
	// Another folder with the same files gives the same plan.
	made, err := Interpret(context.Background(), testPackage(t, files), Request{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := plan.KeyedDigest([]byte("key"), made); err != nil || text != first {
		t.Errorf("the same package in another folder differs: %v", err)
	}
}

func TestConcurrentInterpretations(t *testing.T) {
	t.Parallel()
	pkg := testPackage(t, map[string]string{"main.star": "lib = import_module('lib.star')\ndef run(plan, n):\n  plan.print(lib.l)\n  return n", "lib.star": "l = [1]"})
	failures := make(chan error, 8)
	for i := range 8 {
		go func() {
			made, err := Interpret(context.Background(), pkg, Request{Args: map[string]any{"n": int64(i)}})
			if err == nil && made.Output != int64(i) {
				err = errors.New("arguments of another interpretation")
			}
			failures <- err
		}()
	}
	for range 8 {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}
