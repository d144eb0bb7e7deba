package language

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// testPackage writes a package and opens it. A kurtosis.yml is added where the files hold none.
func testPackage(t testing.TB, files map[string]string) *locator.Package {
	t.Helper()
	directory := t.TempDir()
	if _, ok := files["kurtosis.yml"]; !ok {
		writeFile(t, directory, "kurtosis.yml", "name: github.com/test/package\n")
	}
	for name, content := range files {
		writeFile(t, directory, name, content)
	}
	opened, err := locator.New(locator.Options{CacheDir: t.TempDir(), Offline: true}).Open(context.Background(), directory, "")
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func writeFile(t testing.TB, directory, name, content string) {
	t.Helper()
	file := filepath.Join(directory, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// interpret interprets main.star.
func interpret(t testing.TB, source string, request Request) (*plan.Plan, error) {
	t.Helper()
	return Interpret(context.Background(), testPackage(t, map[string]string{"main.star": source}), request)
}

// mustInterpret interprets a package that is right.
func mustInterpret(t testing.TB, source string) *plan.Plan {
	t.Helper()
	made, err := interpret(t, source, Request{})
	if err != nil {
		t.Fatalf("interpret: %v", err)
	}
	return made
}

// accepted is a body of run and the operations that it must record.
type accepted struct {
	name string
	body string
	// want is the JSON of each instruction's operation without what is zero, one line each, after the instruction's name.
	want string
}

// refused is a body of run and the error that it must give.
type refused struct {
	name  string
	body  string
	phase string // empty means interpretation
	at    string // position; empty means anywhere
	want  []string
}

// entryOf makes a main file out of a body of run.
func entryOf(body string) string {
	return "def run(plan):\n    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n"
}

func testAccepted(t *testing.T, cases []accepted) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			made, err := interpret(t, entryOf(c.body), Request{})
			if err != nil {
				t.Fatal(err)
			}
			if got := operations(t, made); got != strings.TrimSpace(c.want) {
				t.Errorf("got\n%s\nwant\n%s", got, strings.TrimSpace(c.want))
			}
		})
	}
}

func testRefused(t *testing.T, cases []refused) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := interpret(t, entryOf(c.body), Request{})
			checkRefused(t, err, c)
		})
	}
}

func checkRefused(t *testing.T, err error, c refused) {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("error %v; want one of type *Error", err)
	}
	phase := c.phase
	if phase == "" {
		phase = PhaseInterpretation
	}
	if failure.Phase != phase {
		t.Errorf("phase %s; want %s", failure.Phase, phase)
	}
	if c.at != "" && failure.Position.String() != c.at {
		t.Errorf("position %s; want %s", failure.Position, c.at)
	}
	for _, want := range c.want {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error\n%v\nlacks %q", err, want)
		}
	}
}

// operations shows what a plan's instructions do.
func operations(t testing.TB, made *plan.Plan) string {
	t.Helper()
	lines := make([]string, len(made.Instructions))
	for i, instruction := range made.Instructions {
		text, err := json.Marshal(instruction.Operation)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(withoutZeros(value)); err != nil {
			t.Fatal(err)
		}
		lines[i] = instruction.Name + " " + strings.TrimSpace(out.String())
	}
	return strings.Join(lines, "\n")
}

func withoutZeros(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, element := range value {
			element = withoutZeros(element)
			switch {
			case element == nil, element == "", element == false, element == json.Number("0"):
				delete(value, key)
			default:
				value[key] = element
			}
		}
	case []any:
		for i := range value {
			value[i] = withoutZeros(value[i])
		}
	}
	return value
}

// checkOutput compares a plan's output as JSON.
func checkOutput(t *testing.T, made *plan.Plan, want string) {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(made.Output); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("output\n%s\nwant\n%s", got, want)
	}
}
