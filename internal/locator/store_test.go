package locator

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// text opens a remote package and reads its main.star.
func text(t *testing.T, resolver *Resolver, locator string) (string, *Package) {
	t.Helper()
	opened, err := resolver.Open(context.Background(), locator, "")
	if err != nil {
		t.Fatalf("%s: %v", locator, err)
	}
	content, err := mainFile(t, opened).Read()
	if err != nil {
		t.Fatalf("%s: %v", locator, err)
	}
	return string(content), opened
}

func TestVersions(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	first := h.commit(repository, map[string]string{"kurtosis.yml": manifestText, "main.star": "one"})
	h.in(repository, "tag", "v1")
	h.in(repository, "-c", "user.name=t", "-c", "user.email=t@example.com", "tag", "-a", "-m", "annotated", "v1-annotated")
	second := h.commit(repository, map[string]string{"main.star": "two"})
	h.in(repository, "branch", "feat/x")
	third := h.commit(repository, map[string]string{"main.star": "three"})
	// A tag wins over a branch of the same name.
	h.in(repository, "tag", "both", first)
	h.in(repository, "branch", "both", second)

	cache := t.TempDir()
	for version, want := range map[string]struct{ text, commit string }{
		"": {"three", third}, "@v1": {"one", first}, "@v1-annotated": {"one", first}, "@feat/x": {"two", second}, "@" + second: {"two", second},
		"@" + second[:10]: {"two", second}, "@both": {"one", first}, "@main": {"three", third},
	} {
		got, opened := text(t, New(Options{CacheDir: cache}), repository+version)
		used := opened.Used()
		if got != want.text || len(used) != 1 || used[0].Commit != want.commit || used[0].Locator != repository+version {
			t.Errorf("%q: %q, %+v; want %+v", version, got, used, want)
		}
		if opened.Local() || opened.Directory != "" {
			t.Errorf("%q is no folder", version)
		}
	}
	for _, version := range []string{"@v2", "@0123456789012345678901234567890123456789", "@0123456789"} {
		if _, err := New(Options{CacheDir: cache}).Open(context.Background(), repository+version, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", version, err)
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(cache, "git", "github.com", "o", "r", "fetch-*"))
	if err != nil || len(leftovers) > 0 {
		t.Errorf("left in the cache: %v, %v", leftovers, err)
	}

	// Without network the cache is enough, also for the default branch.
	h.t.Setenv("GIT_CONFIG_VALUE_0", "nowhere://")
	for _, version := range []string{"", "@v1", "@feat/x", "@" + second[:10], "@" + first} {
		text(t, New(Options{CacheDir: cache, Offline: true}), repository+version)
	}
	if _, err := New(Options{CacheDir: t.TempDir(), Offline: true}).Open(context.Background(), repository, ""); !errors.Is(err, ErrOffline) {
		t.Errorf("offline with an empty cache: %v", err)
	}
	// Tags and commits need no network either.
	text(t, New(Options{CacheDir: cache}), repository+"@v1")
}

func TestBranchMoves(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	h.commit(repository, map[string]string{"kurtosis.yml": manifestText, "main.star": "one"})
	cache := t.TempDir()
	resolver := New(Options{CacheDir: cache})
	if got, _ := text(t, resolver, repository); got != "one" {
		t.Errorf("%q", got)
	}
	h.commit(repository, map[string]string{"main.star": "two"})
	// One resolver agrees with itself, the next one looks again.
	if got, _ := text(t, resolver, repository); got != "one" {
		t.Errorf("the same resolver: %q", got)
	}
	if got, _ := text(t, New(Options{CacheDir: cache}), repository); got != "two" {
		t.Errorf("another resolver: %q", got)
	}
}

func TestVersionsSideBySide(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "a.star": "a1", "b.star": "b1"})
	h.in("github.com/dep/d", "tag", "v1")
	h.commit("github.com/dep/d", map[string]string{"a.star": "a2", "b.star": "b2"})
	opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""}))
	from := mainFile(t, opened)
	for locator, want := range map[string]string{"github.com/dep/d/a.star@v1": "b1", "github.com/dep/d/a.star": "b2"} {
		file, err := opened.Resolve(context.Background(), from, locator, Module)
		if err != nil {
			t.Fatal(err)
		}
		// What a file of a version refers to is of that version, relative or not.
		for _, next := range []string{"./b.star", "/b.star", "github.com/dep/d/b.star"} {
			other, err := opened.Resolve(context.Background(), file, next, Module)
			if err != nil {
				t.Fatal(err)
			}
			content, err := other.Read()
			if err != nil || string(content) != want {
				t.Errorf("%s from %s: %q, %v; want %q", next, locator, content, err, want)
			}
		}
	}
	if used := opened.Used(); len(used) != 2 || used[1].Locator != "github.com/dep/d@v1" {
		t.Errorf("used %+v", used)
	}
}

func TestImportsNeedAPackage(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/dep/d", map[string]string{
		"file.star": "", "good/kurtosis.yml": "name: github.com/dep/d/good\n", "good/deep/x.star": "", "wrong/kurtosis.yml": "name: github.com/dep/other\n", "wrong/x.star": "",
	})
	opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""}))
	from := mainFile(t, opened)
	if _, err := opened.Resolve(context.Background(), from, "github.com/dep/d/good/deep/x.star", Module); err != nil {
		t.Error(err)
	}
	if _, err := opened.Resolve(context.Background(), from, "github.com/dep/d/file.star", Module); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "lies in no package") {
		t.Errorf("outside of a package: %v", err)
	}
	if _, err := opened.Resolve(context.Background(), from, "github.com/dep/d/file.star", Files); err != nil {
		t.Errorf("files need no package: %v", err)
	}
	if _, err := opened.Resolve(context.Background(), from, "github.com/dep/d/wrong/x.star", Module); !errors.Is(err, ErrManifest) {
		t.Errorf("wrong name: %v", err)
	}
	for locator, want := range map[string]error{"github.com/dep/d": ErrNotFound, "github.com/dep/d/wrong": ErrManifest, "github.com/dep/d/nothing": ErrNotFound} {
		if _, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), locator, ""); !errors.Is(err, want) {
			t.Errorf("open %s: %v; want %v", locator, err, want)
		}
	}
}

func TestReplaceByRepository(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "a.star": "main"})
	h.in("github.com/dep/d", "checkout", "--quiet", "-b", "other")
	h.commit("github.com/dep/d", map[string]string{"a.star": "other"})
	h.commit("gitlab.com/fork/d", map[string]string{"kurtosis.yml": "name: gitlab.com/fork/d\nreplace:\n  github.com/dep/d: gitlab.com/never/used\n", "a.star": "fork"})
	for value, want := range map[string]string{"github.com/dep/d@other": "other", "gitlab.com/fork/d": "fork"} {
		opened := open(t, write(t, t.TempDir(), map[string]string{
			"kurtosis.yml": manifestText + "replace:\n  github.com/dep/d: " + value + "\n", "main.star": "",
		}))
		file, err := opened.Resolve(context.Background(), mainFile(t, opened), "github.com/dep/d/a.star", Module)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if content, err := file.Read(); err != nil || string(content) != want {
			t.Errorf("%s: %q, %v; want %q", value, content, err, want)
		}
	}
}

func TestOtherHosts(t *testing.T) {
	h := newHost(t)
	h.commit("git.example.com/o/r", map[string]string{"kurtosis.yml": "name: git.example.com/o/r\n", "main.star": "own host"})
	for _, locator := range []string{"git.example.com/o/r", "https://git.example.com/o/r", "ssh://git@git.example.com:2222/o/r"} {
		if got, _ := text(t, New(Options{CacheDir: t.TempDir()}), locator); got != "own host" {
			t.Errorf("%s: %q", locator, got)
		}
	}
}

func TestLinksOfARepositoryStayInside(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	h.commit(repository, map[string]string{"kurtosis.yml": manifestText, "main.star": ""})
	work := filepath.Join(h.root, "work", repository)
	if err := os.Symlink("/etc/passwd", filepath.Join(work, "passwd")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../refs", filepath.Join(work, "up")); err != nil {
		t.Fatal(err)
	}
	h.commit(repository, nil)
	_, opened := text(t, New(Options{CacheDir: t.TempDir()}), repository)
	for _, locator := range []string{"./passwd", "./up", "./up/~default"} {
		if _, err := opened.Resolve(context.Background(), mainFile(t, opened), locator, Files); !errors.Is(err, ErrOutside) {
			t.Errorf("%s: %v", locator, err)
		}
	}
}

func TestFetchTellsTheReason(t *testing.T) {
	newHost(t)
	_, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "github.com/no/such", "")
	if !errors.Is(err, ErrGit) || !strings.Contains(err.Error(), "https://github.com/no/such.git") || !strings.Contains(err.Error(), "does not appear to be a git repository") {
		t.Errorf("missing repository: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "github.com/no/such", ""); err == nil || !strings.Contains(err.Error(), "install git") {
		t.Errorf("without git: %v", err)
	}
}

func TestFetchIsCancelled(t *testing.T) {
	newHost(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(Options{CacheDir: t.TempDir()}).Open(ctx, "github.com/no/such", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestParallelFetches(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/o/r", map[string]string{"kurtosis.yml": manifestText, "main.star": "x"})
	cache := t.TempDir()
	var group sync.WaitGroup
	failures := make(chan error, 8)
	for range 8 {
		// One resolver each, as separate processes have.
		resolver := New(Options{CacheDir: cache})
		group.Go(func() {
			opened, err := resolver.Open(context.Background(), "github.com/o/r", "")
			if err == nil {
				_, err = opened.Main("main.star")
			}
			failures <- err
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestVendor(t *testing.T) {
	t.Parallel()
	vendor := write(t, t.TempDir(), map[string]string{
		"github.com/o/r/kurtosis.yml": manifestText, "github.com/o/r/main.star": "plain",
		"github.com/o/r/.git/HEAD": "ref: refs/heads/main\n", "github.com/o/r/.git/refs/heads/main": "0123456789012345678901234567890123456789\n",
		"github.com/o/r@v1/kurtosis.yml": manifestText, "github.com/o/r@v1/main.star": "one",
	})
	resolver := New(Options{VendorDir: vendor})
	for locator, want := range map[string]string{"github.com/o/r": "plain", "github.com/o/r@v1": "one", "github.com/o/r@v2": "plain"} {
		got, opened := text(t, resolver, locator)
		if got != want {
			t.Errorf("%s: %q; want %q", locator, got, want)
		}
		if locator == "github.com/o/r" && opened.Used()[0].Commit != "0123456789012345678901234567890123456789" {
			t.Errorf("commit %+v", opened.Used())
		}
	}
	if _, err := resolver.Open(context.Background(), "github.com/o/missing", ""); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "vendor folder") {
		t.Errorf("not vendored: %v", err)
	}
}

func TestCacheDirWithoutHome(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	if got := New(Options{}).cacheDir(); filepath.Dir(got) != temporary {
		t.Errorf("cache at %s", got)
	}
	t.Setenv("HOME", "/home/somebody")
	if got := New(Options{}).cacheDir(); !strings.HasPrefix(got, "/home/somebody/") {
		t.Errorf("cache at %s", got)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	if got := redact("fatal: https://user:pw@host/x failed"); strings.Contains(got, "pw") || !strings.Contains(got, "https://host/x") {
		t.Error(got)
	}
	if got := (&git{url: "https://token@host/o/r.git"}).name(); got != "https://host/o/r.git" {
		t.Error(got)
	}
}
