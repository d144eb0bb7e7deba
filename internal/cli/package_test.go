package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run executes the command and gives its exit status, its output and its message.
func run(t *testing.T, input string, args ...string) (code int, output, message string) {
	t.Helper()
	root := New("1.2.3")
	var out, problems bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&problems)
	root.SetIn(strings.NewReader(input))
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err != nil {
		message = Message(err)
	}
	return ExitCode(err), out.String(), message
}

func writeFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		target := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func shop(t *testing.T) string {
	t.Helper()
	return writeFiles(t, map[string]string{
		"kurtosis.yml": "name: github.com/acme/shop\n",
		"main.star": `def run(plan, images, prefix="web"):
    for key in images:
        plan.add_service(prefix + "-" + key, ServiceConfig(image=images[key]))
    return [key for key in images]

def other(plan):
    return "other"
`,
		"second.star": "def run(plan):\n    return \"second\"\n",
	})
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var decoded map[string]any
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return decoded
}

func TestPackagePlanJSON(t *testing.T) {
	code, output, message := run(t, "", "package", "plan", shop(t), "--format", "json", "--args", `{"images": {"z": "z:1", "a": "a:1"}}`)
	if code != 0 || message != "" {
		t.Fatal(code, message)
	}
	document := decode(t, output)
	if document["ok"] != true || document["error"] != nil {
		t.Error(output)
	}
	// The order in which the arguments were written is what the package sees.
	if got, _ := json.Marshal(document["output"]); string(got) != `["z","a"]` {
		t.Errorf("output %s", got)
	}
	services, _ := document["services"].(map[string]any)
	if len(services) != 2 || services["web-a"] == nil {
		t.Error(services)
	}
}

func TestPackagePlanTakesArgumentsFromFiles(t *testing.T) {
	folder := shop(t)
	file := filepath.Join(writeFiles(t, map[string]string{"args.yaml": "images:\n  db: postgres:16 # comment\nprefix: x\n"}), "args.yaml")
	for name, test := range map[string]struct {
		input string
		args  []string
	}{
		"file":           {"", []string{"--args-file", file}},
		"standard input": {"images: {db: \"postgres:16\"}\nprefix: x", []string{"--args-file", "-"}},
		"YAML":           {"", []string{"--args", "{images: {db: \"postgres:16\"}, prefix: x}"}},
	} {
		code, output, message := run(t, test.input, append([]string{"package", "plan", folder}, test.args...)...)
		if code != 0 || !strings.Contains(output, "x-db") || !strings.Contains(output, "postgres:16") {
			t.Errorf("%s: %d %s %s", name, code, output, message)
		}
	}
}

func TestPackagePlanChoosesTheFunction(t *testing.T) {
	folder := shop(t)
	if code, output, message := run(t, "", "package", "plan", folder, "--main-function", "other"); code != 0 || !strings.Contains(output, `"other"`) {
		t.Error(code, output, message)
	}
	if code, output, message := run(t, "", "package", "plan", folder, "--main-file", "second.star"); code != 0 || !strings.Contains(output, `"second"`) {
		t.Error(code, output, message)
	}
}

func TestPackagePlanTellsWhatIsWrong(t *testing.T) {
	folder := shop(t)
	code, output, message := run(t, "", "package", "plan", folder, "--format", "json")
	document := decode(t, output)
	failure, _ := document["error"].(map[string]any)
	if code != ExitFailure || message != "" || document["ok"] != false || failure["phase"] != "interpretation" ||
		failure["position"] != "main.star:1:1" || !strings.Contains(output, `missing argument \"images\"`) {
		t.Error(code, output, message)
	}
	if parameters, _ := document["parameters"].([]any); len(parameters) != 2 {
		t.Error("what the package takes belongs to the answer:", output)
	}
	if code, _, message := run(t, "", "package", "plan", folder); code != ExitFailure || !strings.Contains(message, `"images"`) {
		t.Error(code, message)
	}
	code, output, _ = run(t, "", "package", "plan", filepath.Join(folder, "nowhere"), "--format", "json")
	if document := decode(t, output); code != ExitFailure || document["ok"] != false {
		t.Error(code, output)
	}
}

func TestBadUsage(t *testing.T) {
	folder := shop(t)
	for name, args := range map[string][]string{
		"no package":       {"package", "plan"},
		"unknown flag":     {"package", "plan", folder, "--nonsense"},
		"bad arguments":    {"package", "plan", folder, "--args", "{"},
		"a list":           {"package", "plan", folder, "--args", "[1]"},
		"both arguments":   {"package", "plan", folder, "--args", "{}", "--args-file", "x"},
		"no such file":     {"package", "plan", folder, "--args-file", "nowhere.json"},
		"no such format":   {"package", "plan", folder, "--format", "xml"},
		"no such vendor":   {"package", "plan", folder, "--vendor", "nowhere"},
		"no such backend":  {"package", "plan", folder, "--backend", "mainframe"},
		"unknown command":  {"package", "nonsense"},
		"no package name":  {"package", "init", t.TempDir(), "--name", "https://x"},
		"too many folders": {"package", "lint", folder, folder},
	} {
		if code, _, message := run(t, "", args...); code != ExitUsage || message == "" {
			t.Errorf("%s: exit status %d, %q", name, code, message)
		}
	}
}

func TestPackageInitMakesAPackageThatHolds(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "shop")
	if code, output, message := run(t, "", "package", "init", folder, "--name", "github.com/acme/shop", "--description", "A: shop"); code != 0 || strings.Count(output, "\n") != 2 {
		t.Fatal(code, output, message)
	}
	if code, output, message := run(t, "", "package", "plan", folder, "--args", "{replicas: 3}"); code != 0 || !strings.Contains(output, "web-2") {
		t.Error(code, output, message)
	}
	if code, output, message := run(t, "", "package", "lint", folder, "--check-docstring"); code != 0 || output != "" {
		t.Error(code, output, message)
	}
	if code, _, message := run(t, "", "package", "init", folder); code != ExitFailure || !strings.Contains(message, "exists already") {
		t.Error(code, message)
	}
}

func TestPackageLintFindsMistakesInAllFiles(t *testing.T) {
	folder := writeFiles(t, map[string]string{
		"kurtosis.yml": "name: github.com/acme/shop\n",
		"main.star": `lib = import_module("./lib/nowhere.star")

def run(plan, size):
    """Runs.

    Args:
        sise (int): The size.
    """
    plan.add_servise("a", ServiceConfig(imag="x"))
    plan.add_service(name="a")
    undefined_name()
`,
		"lib/broken.star": "def f(:\n",
	})
	code, output, message := run(t, "", "package", "lint", folder)
	if code != ExitFailure || message != "" {
		t.Error(code, message)
	}
	for _, part := range []string{
		"lib/broken.star:1:8:", "main.star:1:21:", `tells of a parameter "sise"`, `(did you mean "size"?)`, `plan has no instruction "add_servise" (did you mean "add_service"?)`,
		`ServiceConfig has no argument "imag" (did you mean "image"?)`, `the argument "image" is missing`, `plan.add_service: the argument "config" is missing`,
		"undefined: undefined_name",
	} {
		if !strings.Contains(output, part) {
			t.Errorf("the output lacks %q:\n%s", part, output)
		}
	}
	_, output, _ = run(t, "", "package", "lint", folder, "--format", "json")
	if findings, _ := decode(t, output)["findings"].([]any); len(findings) < 8 {
		t.Error(output)
	}
}

func TestPackageConvertPrintsWhatRuns(t *testing.T) {
	folder := writeFiles(t, map[string]string{
		"compose.yml": "services:\n  web:\n    image: nginx:${TAG:-1}\n    ports: [\"8080:80\"]\n    restart: always\n  db:\n    image: postgres:16\n",
	})
	code, text, message := run(t, "", "package", "convert", folder, "--variable", "TAG=2")
	if code != 0 || !strings.Contains(text, "nginx:2") {
		t.Fatal(code, text, message)
	}
	code, direct, _ := run(t, "", "package", "plan", folder, "--format", "json", "--args", `{"variables": {"TAG": "2"}}`)
	converted := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/shop\n", "main.star": text})
	other, again, message := run(t, "", "package", "plan", converted, "--format", "json")
	if code != 0 || other != 0 {
		t.Fatal(code, other, message)
	}
	first, second := decode(t, direct), decode(t, again)
	for _, part := range []string{"services", "artifacts", "images"} {
		a, _ := json.Marshal(first[part])
		b, _ := json.Marshal(second[part])
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the folder gives %s, its conversion %s", part, a, b)
		}
	}
	if warnings, _ := json.Marshal(first["warnings"]); !strings.Contains(string(warnings), "services.web.restart") {
		t.Errorf("warnings %s", warnings)
	}
	if code, _, message := run(t, "", "package", "convert", converted); code != ExitFailure || !strings.Contains(message, "no Compose file") {
		t.Error(code, message)
	}
}

func TestPackageReference(t *testing.T) {
	code, output, message := run(t, "", "package", "reference")
	if code != 0 || !strings.HasPrefix(output, "---\n") || !strings.Contains(output, "### plan.add_service\n") {
		t.Errorf("status %d, message %q, and the reference begins with %.200q", code, message, output)
	}
}
