package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// published makes git find the repositories of a folder, and gives a function that commits to one of them.
func published(t *testing.T) (commit func(repository string, files map[string]string) string) {
	t.Helper()
	root := t.TempDir()
	for name, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull, "GIT_CONFIG_COUNT": "1",
		"GIT_CONFIG_KEY_0": "url." + root + "/.insteadOf", "GIT_CONFIG_VALUE_0": "https://",
		"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com",
		"SUNDOG_PACKAGES_CACHE_DIR": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	return func(repository string, files map[string]string) string {
		t.Helper()
		folder := filepath.Join(root, repository+".git")
		git := func(args ...string) string {
			t.Helper()
			output, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", folder}, args...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("git %v: %v\n%s", args, err, output)
			}
			return strings.TrimSpace(string(output))
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		git("init", "--quiet", "--initial-branch=main")
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		git("add", "--all")
		git("commit", "--quiet", "--allow-empty", "-m", "x")
		return git("rev-parse", "HEAD")
	}
}

// lockable is a package that needs one repository always, one in a branch that is not taken, and one that only its
// arguments name.
func lockable(t *testing.T, url string) string {
	t.Helper()
	return writeFiles(t, map[string]string{
		"kurtosis.yml": "name: github.com/acme/shop\n",
		"main.star": `lib = import_module("github.com/dep/always/main.star")
def run(plan, more="", big=False):
    if big:
        import_module("github.com/dep/branch/main.star")
        plan.upload_files("` + url + `")
    if more:
        import_module(more)
    return lib.text
`,
	})
}

func TestPackageLockAndVendor(t *testing.T) {
	commit := published(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }))
	defer server.Close()
	first := commit("github.com/dep/always", map[string]string{"kurtosis.yml": "name: github.com/dep/always\n", "main.star": "text = \"one\"\n"})
	commit("github.com/dep/branch", map[string]string{"kurtosis.yml": "name: github.com/dep/branch\n", "main.star": ""})
	commit("github.com/dep/more", map[string]string{"kurtosis.yml": "name: github.com/dep/more\n", "main.star": ""})
	folder := lockable(t, server.URL+"/file")
	file := filepath.Join(folder, "sundog.lock")
	lock := func(wantCode int, args ...string) (output, text string) {
		t.Helper()
		code, output, message := run(t, "", append([]string{"package", "lock", folder}, args...)...)
		if code != wantCode {
			t.Fatalf("lock %v: %d, %s %s", args, code, output, message)
		}
		content, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return output + message, string(content)
	}

	if output, text := lock(1, "--check"); text != "" || !strings.Contains(output, "+ github.com/dep/always "+first) || !strings.Contains(output, "not current") {
		t.Errorf("check: %s %s", output, text)
	}
	_, text := lock(0)
	for _, want := range []string{"github.com/dep/always:\n    commit: " + first, "github.com/dep/branch:", server.URL + "/file:"} {
		if !strings.Contains(strings.ReplaceAll(text, `"`, ""), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	if strings.Contains(text, "more") {
		t.Error(text)
	}
	// What other arguments need is added, and nothing is moved or dropped.
	second := commit("github.com/dep/always", map[string]string{"main.star": "text = \"two\"\n"})
	lock(0, "--args", `{"more": "github.com/dep/more/main.star"}`)
	if output, text := lock(0); output != "" || !strings.Contains(text, "github.com/dep/more:") || !strings.Contains(text, first) {
		t.Errorf("again: %s %s", output, text)
	}
	lock(0, "--check")
	if code, output, message := run(t, "", "package", "plan", folder, "--locked"); code != 0 || !strings.Contains(output, "one") {
		t.Errorf("plan: %d, %s %s", code, output, message)
	}
	if output, _ := lock(1, "--check", "--upgrade"); !strings.Contains(output, "~ github.com/dep/always "+first) || !strings.Contains(output, second) {
		t.Errorf("check of an upgrade: %s", output)
	}
	if _, text := lock(0, "--upgrade"); !strings.Contains(text, second) || !strings.Contains(text, "github.com/dep/more:") || strings.Contains(text, first) {
		t.Errorf("upgrade: %s", text)
	}
	if output, text := lock(0, "--prune"); !strings.Contains(output, "- github.com/dep/more ") || strings.Contains(text, "dep/more") {
		t.Errorf("prune: %s %s", output, text)
	}
	if code, _, message := run(t, "", "package", "plan", folder, "--locked", "--args", `{"more": "github.com/dep/more/main.star"}`); code != 1 || !strings.Contains(message, "sundog package lock") {
		t.Errorf("what is not locked: %d, %s", code, message)
	}

	commit("github.com/dep/always", map[string]string{"main.star": "text = \"three\"\n"})
	vendored := filepath.Join(t.TempDir(), "vendored")
	code, output, message := run(t, "", "package", "vendor", folder, "--dir", vendored)
	if code != 0 || !strings.Contains(output, "+ github.com/dep/branch") {
		t.Fatalf("vendor: %d, %s %s", code, output, message)
	}
	server.Close()
	t.Setenv("PATH", t.TempDir())
	t.Setenv("SUNDOG_PACKAGES_CACHE_DIR", t.TempDir())
	for _, args := range []string{`{}`, `{"big": true}`} {
		if code, output, message := run(t, "", "package", "plan", folder, "--vendor", vendored, "--args", args); code != 0 || !strings.Contains(output, "two") {
			t.Errorf("plan from the vendor folder with %s: %d, %s %s", args, code, output, message)
		}
	}
}

func TestPackageLockOfARemotePackage(t *testing.T) {
	commit := published(t)
	first := commit("github.com/dep/always", map[string]string{"kurtosis.yml": "name: github.com/dep/always\n", "main.star": "def run(plan, needed):\n    return \"one\"\n"})
	folder := t.TempDir()
	t.Chdir(folder)
	code, _, message := run(t, "", "package", "lock", "github.com/dep/always")
	text, err := os.ReadFile(filepath.Join(folder, "sundog.lock"))
	if code != 0 || err != nil || !strings.Contains(string(text), first) {
		t.Fatalf("%d, %s, %s, %v", code, message, text, err)
	}
	commit("github.com/dep/always", map[string]string{"main.star": "def run(plan, needed):\n    return \"two\"\n"})
	if code, output, message := run(t, "", "package", "plan", "github.com/dep/always", "--args", `{"needed": 1}`); code != 0 || !strings.Contains(output, "one") {
		t.Errorf("%d, %s %s", code, output, message)
	}
}

func TestPackageLockRefusals(t *testing.T) {
	published(t)
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/shop\n", "main.star": "def run(plan):\n    fail(\"no\")\n"})
	right := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/shop\n", "main.star": "def run(plan):\n    pass\n"})
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, "no", []string{"package", "lock", folder}},
		{1, "no folder", []string{"package", "lock", folder + "/missing"}},
		{2, "--dir", []string{"package", "vendor", folder}},
		{2, "--args", []string{"package", "lock", folder, "--args", "["}},
		{1, "package's own folder", []string{"package", "vendor", right, "--dir", right}},
		{1, "or one above it", []string{"package", "vendor", right, "--dir", filepath.Dir(right)}},
	} {
		if code, _, message := run(t, "", c.args...); code != c.code || !strings.Contains(message, c.want) {
			t.Errorf("%v: %d, %s; want %d, %q", c.args, code, message, c.code, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "sundog.lock")); err == nil {
		t.Error("a lock file was written for a package that is wrong")
	}
	if err := os.WriteFile(filepath.Join(folder, "sundog.lock"), []byte("version: 1\nnonsense: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, message := run(t, "", "package", "lock", folder); code != 1 || !strings.Contains(message, "sundog.lock:2: field nonsense not found") {
		t.Errorf("%d, %s", code, message)
	}
}
