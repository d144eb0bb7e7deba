package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

var commandLine = regexp.MustCompile(`(?m)^\$ (sundog .*)$`)

// TestReadme runs the commands that the README shows.
func TestReadme(t *testing.T) {
	host := t.TempDir()
	publish(t, host, "github.com/owner/repository", "v1", map[string]string{
		"kurtosis.yml": "name: github.com/owner/repository\n", "main.star": "def run(plan):\n    return \"published\"\n",
	})
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url."+host+"/.insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	runShown(t, filepath.Join("..", "..", "README.md"), 16)
}

// TestCommandGuide runs the commands that the guide shows.
func TestCommandGuide(t *testing.T) {
	runShown(t, filepath.Join("..", "..", "templates", "guides", "command.md.tmpl"), 22)
}

// runShown runs the commands that a document shows, in their order, in an empty folder, with a backend in memory.
func runShown(t *testing.T, document string, atLeast int) {
	t.Helper()
	shown, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, memory.Hooks{})
	w.backend.AddImage("nginx:1")
	t.Chdir(writeFiles(t, map[string]string{"compose-project/compose.yml": "services: {web: {image: nginx}}\n"}))

	found := commandLine.FindAllStringSubmatch(string(shown), -1)
	if len(found) < atLeast {
		t.Fatalf("%s shows %d commands", document, len(found))
	}
	for _, match := range found {
		line, _, _ := strings.Cut(match[1], " #")
		for command := range strings.SplitSeq(line, "&&") {
			words := shellWords(command)
			if result := w.run(words[1:]...); result.code != 0 {
				t.Errorf("%s: exit status %d\n%s%s", command, result.code, result.output, result.message)
			}
		}
	}
}

// shellWords splits a line of the README as a shell would; quotes are single ones.
func shellWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// publish makes a repository with a tag on a host that is a folder.
func publish(t *testing.T, host, repository, tag string, files map[string]string) {
	t.Helper()
	work := writeFiles(t, files)
	for _, arguments := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"add", "--all"},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", "Publish"},
		{"tag", tag},
		{"clone", "--quiet", "--bare", ".", filepath.Join(host, repository+".git")},
	} {
		command := exec.CommandContext(t.Context(), "git", arguments...)
		command.Dir = work
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
	}
}
