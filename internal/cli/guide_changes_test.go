package cli

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

var fenced = regexp.MustCompile("(?s)```(starlark|text)\n(.*?)```")

// TestChangesGuide carries out the examples of the guide one after the other, and compares what the guide says about each
// with what the command says.
func TestChangesGuide(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "templates", "guides", "changes.md.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	shown := strings.NewReplacer(`{{"{{"}}`, "{{", `{{"}}"}}`, "}}").Replace(string(text))
	w := newWorld(t, memory.Hooks{Exec: func(_ context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
		return &enclave.ExecResult{Output: strings.Join(request.Command[1:], " ") + "\n"}, nil
	}})
	w.backend.AddImage("nginx:1")
	folder, compared := "", 0
	var before []string
	for _, block := range fenced.FindAllStringSubmatch(shown, -1) {
		if block[1] == "starlark" {
			if folder == "" {
				folder = starPackage(t, "shop", block[2])
			} else if err := os.WriteFile(filepath.Join(folder, "main.star"), []byte(block[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			if w.exists("dev") {
				before = changesShown(w.ok("enclave", "diff", "dev", folder))
			}
			w.ok("run", folder, "--enclave", "dev", "--quiet")
			continue
		}
		compared++
		if want := changesShown(block[2]); !slices.Equal(before, want) {
			t.Errorf("example %d: the guide says\n%s\nand the command\n%s", compared, strings.Join(want, "\n"), strings.Join(before, "\n"))
		}
	}
	if compared < 4 {
		t.Errorf("the guide has %d examples", compared)
	}
}

// changesShown gives the lines about changes, each blank as one and the place in the package left out.
func changesShown(text string) (lines []string) {
	place := regexp.MustCompile(` main\.star:\d+:\d+$`)
	for line := range strings.Lines(text) {
		line = place.ReplaceAllString(strings.Join(strings.Fields(line), " "), "")
		if line != "" && strings.Contains("+-~>?", line[:1]) {
			lines = append(lines, line)
		}
	}
	return lines
}
