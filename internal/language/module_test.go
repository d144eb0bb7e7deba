package language

import (
	"context"
	"errors"
	"reflect"
	"testing"
)

func TestImportModule(t *testing.T) {
	t.Parallel()
	made, err := Interpret(context.Background(), testPackage(t, map[string]string{
		"main.star": `
a = import_module("./lib/a.star")
also = import_module("/lib/a.star")
def run(plan):
    return [type(a), a.value, a._private, a.b.value, also.twice(2), a == also, str(a), read_file("./lib/text.txt"), a.text, dir(a)]
`,
		"lib/a.star":      "b = import_module('deep/b.star')\nvalue = 'a'\n_private = 'p'\ntext = read_file('text.txt')\ndef twice(x):\n  return x * 2\n",
		"lib/deep/b.star": "value = 'b'\n", "lib/text.txt": "hello\n",
	}), Request{})
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, made, `["module","a","p","b",4,true,"<module \"lib/a.star\">","hello\n","hello\n",["_private","b","text","twice","value"]]`)
}

func TestImportErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  refused
		chain []string
	}{
		"cycle": {
			map[string]string{"main.star": "import_module('a.star')", "a.star": "x = import_module('b.star')", "b.star": "\nx = import_module('/c/c.star')", "c/c.star": "y = 1\nx = import_module('../a.star')"},
			refused{at: "c/c.star:2:18", want: []string{"a.star:1:18 imports b.star, b.star:2:18 imports c/c.star, c/c.star:2:18 imports a.star"}},
			[]string{"main.star:1:14: import of a.star", "a.star:1:18: import of b.star", "b.star:2:18: import of c/c.star"},
		},
		"itself": {
			map[string]string{"main.star": "import_module('main.star')"}, refused{at: "main.star:1:14", want: []string{"main.star:1:14 imports main.star"}}, nil,
		},
		"error in an imported file": {
			map[string]string{"main.star": "def run(plan):\n  import_module('a.star')", "a.star": "def f():\n  return {}['x']\nf()"},
			refused{at: "a.star:2:12", want: []string{`key "x" not in dict`, "a.star:3:2: in the file's top level", "a.star:2:12: in f", "loaded by:\n  main.star:2:16: import of a.star"}},
			[]string{"main.star:2:16: import of a.star"},
		},
		"syntax error in an imported file": {
			map[string]string{"main.star": "import_module('a.star')", "a.star": "x = 1\ny = = 2"},
			refused{at: "a.star:2:5", want: []string{"got '=', want primary expression"}},
			[]string{"main.star:1:14: import of a.star"},
		},
		"a folder":  {map[string]string{"main.star": "import_module('lib')", "lib/a.star": ""}, refused{at: "main.star:1:14", want: []string{`module_file: "lib" is a folder`}}, nil},
		"nothing":   {map[string]string{"main.star": "import_module('')"}, refused{want: []string{"module_file: can't be empty"}}, nil},
		"a number":  {map[string]string{"main.star": "import_module(1)"}, refused{want: []string{"module_file: must be a string, got int 1"}}, nil},
		"outside":   {map[string]string{"main.star": "import_module('../../x.star')"}, refused{want: []string{"path leaves the repository"}}, nil},
		"read_file": {map[string]string{"main.star": "read_file('x')"}, refused{at: "main.star:1:10", want: []string{"read_file: ", `src: not found: "/x" does not exist`}}, nil},
		"load":      {map[string]string{"main.star": "load('a.star', 'x')", "a.star": "x = 1"}, refused{at: "main.star:1:1", want: []string{"use import_module"}}, nil},
		"changing a module": {
			map[string]string{"main.star": "a = import_module('a.star')\ndef run(plan):\n  a.l.append(1)", "a.star": "l = []"}, refused{at: "main.star:3:13", want: []string{"cannot append to frozen list"}}, nil,
		},
		"unknown member": {
			map[string]string{"main.star": "import_module('a.star').valeu", "a.star": "value = 1"}, refused{want: []string{"did you mean .value?"}}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Interpret(context.Background(), testPackage(t, c.files), Request{})
			checkRefused(t, err, c.want)
			var failure *Error
			if errors.As(err, &failure) && !reflect.DeepEqual(failure.LoadChain, c.chain) && len(failure.LoadChain)+len(c.chain) > 0 {
				t.Errorf("load chain %q; want %q", failure.LoadChain, c.chain)
			}
		})
	}
}

// The text of an error is for people: it is compared as a whole once.
func TestErrorText(t *testing.T) {
	t.Parallel()
	_, err := Interpret(context.Background(), testPackage(t, map[string]string{
		"main.star": "lib = import_module('./lib.star')\ndef run(plan):\n    lib.add(plan)\n",
		"lib.star":  "def add(plan):\n    plan.add_service(\n        name=1,\n        config=ServiceConfig(image=\"x\"),\n        prots={},\n    )\n",
	}), Request{})
	const want = `interpretation failed at lib.star:2:21: plan.add_service: the following argument(s) could not be parsed or did not pass validation:
  prots: unknown argument
  name: must be a string, got int 1
backtrace (most recent call last):
  main.star:3:12: in run
  lib.star:2:21: in add`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err = interpret(t, entryOf("plan.add_service('A', ServiceConfig('x'))\nplan.start_service('b')"), Request{})
	const validation = `validation failed with 2 problems:
  main.star:2:21: service name 'A' is invalid: it must be a valid RFC 1035 label (^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$): at most 63 lower-case letters, digits and dashes, beginning with a letter and not ending in a dash
  main.star:3:23: start_service needs service 'b', which doesn't exist at this place: there is A`
	if err == nil || err.Error() != validation {
		t.Errorf("got\n%v\nwant\n%s", err, validation)
	}
}

func TestDialect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, want string }{
		"while":             {"def run(plan):\n  while True:\n    pass", "does not support while loops"},
		"recursion":         {"def f():\n  f()\ndef run(plan):\n  f()", "function f called recursively"},
		"set":               {"def run(plan):\n  set([1])", "does not support sets"},
		"top-level if":      {"if True:\n  x = 1\ndef run(plan):\n  pass", "not within a function"},
		"reassigned global": {"x = 1\nx = 2\ndef run(plan):\n  pass", "cannot reassign global x"},
		"now":               {"def run(plan):\n  time.now()", "time.now() is not deterministic"},
		"kurtosis":          {"def run(plan):\n  kurtosis.x", "module has no .x field or method"},
		"fail":              {"def run(plan):\n  fail('no', 1)", "fail: no 1"},
		"misspelled method": {"def run(plan):\n  plan.ad_service()", "did you mean .add_service?"},
		"removed method":    {"def run(plan):\n  plan.add_task()", "has no .add_task attribute"},
		"math":              {"def run(plan):\n  math.pow(1, 2)", "undefined: math"},
	} {
		_, err := interpret(t, c.source, Request{})
		checkRefused(t, err, refused{want: []string{c.want}})
		if t.Failed() {
			t.Fatalf("in %s", name)
		}
	}
	made := mustInterpret(t, `
def run(plan):
    a, b = 6, "x"
    a *= 7
    l = [1, 2]
    l[0] *= 5
    l *= 2
    b *= 3
    s = "%s-%d %%" 
    s %= ("q", 3)
    return [a, b, l, s, "{}{n}".format(1, n=2), ",".join(["a", "b"]), "aXa".replace("X", "y"), "a b".split(" "), 7 % 3, 2.5 * 2, 2 * [0],
        (1,) * 2, getattr("a", "upper")(), getattr(1, "x", "d"), str([1]), repr("s"), list(range(3)), list(zip([1], ["a"])),
        json.encode({"b": struct(x=1)}), json.decode("{\"a\": [1.5]}"), json.indent("{}"), time.parse_duration("1h").minutes,
        time.from_timestamp(0).year, "é".title(), [x * 2 for x in [1, 2] if x % 2], (lambda x: x * 2)(4), struct(a=1) + struct(b=2), hash("a")]
`)
	checkOutput(t, made, `[42,"xxx",[5,2,5,2],"q-3 %","12","a,b","aya",["a","b"],1,5,[0,0],[1,1],"A","d","[1]","\"s\"",[0,1,2],[[1,"a"]],"{\"b\":{\"x\":1}}",{"a":[1.5]},"{}",60,1970,"É",[2],8,{"a":1,"b":2},97]`)
}
