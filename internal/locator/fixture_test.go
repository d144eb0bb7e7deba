package locator

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// write makes files below a folder and gives the folder.
func write(t testing.TB, directory string, files map[string]string) string {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(directory, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// open opens a folder as a package.
func open(t testing.TB, directory string) *Package {
	t.Helper()
	opened, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), directory, "")
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// main gives main.star of a package.
func mainFile(t testing.TB, p *Package) File {
	t.Helper()
	file, err := p.Main("main.star")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// host is a folder of bare repositories that stands for every Git host: git is told to look there instead.
type host struct {
	t    *testing.T
	root string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, root: t.TempDir()}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	t.Setenv("GIT_CONFIG_COUNT", "2")
	t.Setenv("GIT_CONFIG_KEY_0", "url."+h.root+"/.insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://")
	t.Setenv("GIT_CONFIG_KEY_1", "url."+h.root+"/git.example.com/.insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_1", "ssh://git@git.example.com:2222/")
	return h
}

// commit writes files to a repository such as github.com/o/r and gives the commit's hash.
func (h *host) commit(repository string, files map[string]string) string {
	h.t.Helper()
	work := filepath.Join(h.root, "work", repository)
	bare := filepath.Join(h.root, repository+".git")
	if _, err := os.Stat(bare); err != nil {
		h.git("", "init", "--quiet", "--bare", "--initial-branch=main", bare)
		h.git("", "init", "--quiet", "--initial-branch=main", work)
		h.git(work, "remote", "add", "origin", bare)
	}
	write(h.t, work, files)
	h.git(work, "add", "--all")
	h.git(work, "commit", "--quiet", "--allow-empty", "-m", "change")
	h.push(repository)
	return h.git(work, "rev-parse", "HEAD")
}

func (h *host) push(repository string) {
	h.t.Helper()
	h.git(filepath.Join(h.root, "work", repository), "push", "--quiet", "--force", "--all", "origin")
	h.git(filepath.Join(h.root, "work", repository), "push", "--quiet", "--force", "--tags", "origin")
}

// in runs git in the work tree of a repository and pushes.
func (h *host) in(repository string, arguments ...string) {
	h.t.Helper()
	h.git(filepath.Join(h.root, "work", repository), arguments...)
	h.push(repository)
}

func (h *host) git(directory string, arguments ...string) string {
	h.t.Helper()
	command := exec.CommandContext(h.t.Context(), "git", arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(),
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com")
	output, err := command.CombinedOutput()
	if err != nil {
		h.t.Fatalf("git %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return strings.TrimSpace(string(output))
}
