package locator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	someCommit = "0123456789012345678901234567890123456789"
	someSum    = "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"
)

func TestLockRoundTrip(t *testing.T) {
	t.Parallel()
	lock := NewLock()
	lock.Repositories["github.com/o/r@v1"] = Pin{Commit: someCommit, Tree: "sha256:" + someSum}
	lock.Repositories["gitlab.com/a/b/c.git"] = Pin{Commit: someCommit, Tree: "sha256:" + someSum}
	lock.Files["https://example.com/x?y=1"] = someSum
	file := filepath.Join(t.TempDir(), LockName)
	if err := lock.Write(file); err != nil {
		t.Fatal(err)
	}
	again, err := ReadLock(file)
	if err != nil || !again.Equal(lock) {
		t.Errorf("%+v, %v", again, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := lockHead + `version: 1
repositories:
  github.com/o/r@v1:
    commit: "` + someCommit + `"
    tree: sha256:` + someSum + `
  gitlab.com/a/b/c.git:
    commit: "` + someCommit + `"
    tree: sha256:` + someSum + `
files:
  https://example.com/x?y=1:
    sha256: ` + someSum + `
`
	if string(text) != want {
		t.Errorf("%s", text)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestLockErrors(t *testing.T) {
	t.Parallel()
	pin := "    commit: \"" + someCommit + "\"\n    tree: sha256:" + someSum + "\n"
	for text, want := range map[string]string{
		"":                            "sundog.lock: the file is empty",
		"version: 2":                  "sundog.lock:1: version 2 was written by a newer sundog",
		"repositories:":               "version: 1",
		"version: [1]":                "sundog.lock:1: cannot unmarshal !!seq as a number",
		"version: 1\nx:":              "sundog.lock:2: field x not found",
		"version: 1\n---\nversion: 1": "a single document",
		"version: 1\nrepositories:\n  nonsense:\n" + pin:                                               "sundog.lock:3: malformed locator",
		"version: 1\nrepositories:\n  github.com/o/r/sub:\n" + pin:                                     "sundog.lock:3: \"github.com/o/r/sub\" names a part of the repository",
		"version: 1\nrepositories:\n  GitHub.com/o/r:\n" + pin:                                         "must be written \"github.com/o/r\"",
		"version: 1\nrepositories:\n  github.com/o/r:\n    commit: 0123\n":                             "sundog.lock:3: github.com/o/r: commit must be",
		"version: 1\nrepositories:\n  github.com/o/r:\n    commit: \"" + someCommit + "\"\n":           "tree must be",
		"version: 1\nrepositories:\n  github.com/o/r:\n" + pin + "  github.com/o/r:\n" + pin:           "sundog.lock:6: mapping key \"github.com/o/r\" already defined",
		"version: 1\nfiles:\n  ftp://x/y:\n    sha256: " + someSum:                                     "sundog.lock:3: malformed locator \"ftp://x/y\"",
		"version: 1\nfiles:\n  https://user:secret@x/y:\n    sha256: z":                                "sundog.lock:3: https://x/y: sha256 must be",
		"version: 1\nrepositories:\n  github.com/o/r:\n    commit: x\n    tree: y\n    branch: main\n": "sundog.lock:6: field branch not found",
	} {
		_, err := ParseLock([]byte(text), LockName)
		if !errors.Is(err, ErrLock) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
			continue
		}
		for _, not := range []string{"locator.", "secret"} {
			if strings.Contains(err.Error(), not) {
				t.Errorf("%q: %q in %v", text, not, err)
			}
		}
	}
	if _, err := ReadLock(filepath.Join(t.TempDir(), "x")); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "sundog package lock") {
		t.Errorf("missing: %v", err)
	}
}

// locked is a package beside a host, with a dependency that has moved on since it was locked.
func locked(t *testing.T) (h *host, directory string, lock *Lock) {
	t.Helper()
	h = newHost(t)
	h.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "a.star": "one"})
	directory = write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""})
	opened := open(t, directory)
	if got := read(t, opened, "github.com/dep/d/a.star"); got != "one" {
		t.Fatal(got)
	}
	lock, err := opened.Pins(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Write(filepath.Join(directory, LockName)); err != nil {
		t.Fatal(err)
	}
	h.commit("github.com/dep/d", map[string]string{"a.star": "two"})
	return h, directory, lock
}

// read gives the text of what a locator in main.star leads to.
func read(t testing.TB, opened *Package, locator string) string {
	t.Helper()
	file, err := opened.Resolve(context.Background(), mainFile(t, opened), locator, Module)
	if err != nil {
		t.Fatalf("%s: %v", locator, err)
	}
	content, err := file.Read()
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func resolveError(t testing.TB, opened *Package, locator string) error {
	t.Helper()
	_, err := opened.Resolve(context.Background(), mainFile(t, opened), locator, Module)
	if err == nil {
		t.Errorf("%s: no error", locator)
	}
	return err
}

func openWith(t testing.TB, options Options, locator, baseDir string) *Package {
	t.Helper()
	opened, err := New(options).Open(context.Background(), locator, baseDir)
	if err != nil {
		t.Fatalf("open %s: %v", locator, err)
	}
	return opened
}

func TestLockIsHonoured(t *testing.T) {
	h, directory, lock := locked(t)
	cache := t.TempDir()
	opened := openWith(t, Options{CacheDir: cache}, directory, "")
	if got := read(t, opened, "github.com/dep/d/a.star"); got != "one" {
		t.Errorf("locked: %q", got)
	}
	if used := opened.Used(); len(used) != 1 || used[0].Commit != lock.Repositories["github.com/dep/d"].Commit {
		t.Errorf("used %+v", used)
	}
	if warnings := opened.Warnings(); len(warnings) != 0 {
		t.Errorf("warnings %v", warnings)
	}
	// What was fetched for a lock says nothing about what the branch means.
	other := write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""})
	if got := read(t, openWith(t, Options{CacheDir: cache}, other, ""), "github.com/dep/d/a.star"); got != "two" {
		t.Errorf("without a lock: %q", got)
	}
	// One resolver can serve packages with different locks.
	resolver := New(Options{CacheDir: cache})
	for folder, want := range map[string]string{directory: "one", other: "two"} {
		opened, err := resolver.Open(context.Background(), folder, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, opened, "github.com/dep/d/a.star"); got != want {
			t.Errorf("%s: %q; want %q", folder, got, want)
		}
	}
	// With the commit in the cache nobody is asked.
	h.t.Setenv("PATH", t.TempDir())
	if got := read(t, openWith(t, Options{CacheDir: cache}, directory, ""), "github.com/dep/d/a.star"); got != "one" {
		t.Errorf("without git: %q", got)
	}
	if got := read(t, openWith(t, Options{CacheDir: cache, Offline: true}, directory, ""), "github.com/dep/d/a.star"); got != "one" {
		t.Errorf("offline: %q", got)
	}
}

func TestLockIsLookedUpAgain(t *testing.T) {
	_, directory, _ := locked(t)
	opened := openWith(t, Options{CacheDir: t.TempDir(), Refresh: true}, directory, "")
	if got := read(t, opened, "github.com/dep/d/a.star"); got != "two" {
		t.Errorf("%q", got)
	}
}

func TestRefreshAsksAboutTags(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "main.star": "one"})
	h.in("github.com/dep/d", "tag", "v1")
	cache := t.TempDir()
	text(t, New(Options{CacheDir: cache}), "github.com/dep/d@v1")
	h.commit("github.com/dep/d", map[string]string{"main.star": "two"})
	h.in("github.com/dep/d", "tag", "--force", "v1")
	if got, _ := text(t, New(Options{CacheDir: cache}), "github.com/dep/d@v1"); got != "one" {
		t.Errorf("%q", got)
	}
	if got, _ := text(t, New(Options{CacheDir: cache, Refresh: true}), "github.com/dep/d@v1"); got != "two" {
		t.Errorf("refreshed: %q", got)
	}
}

func TestWhatTheLockDoesNotKnow(t *testing.T) {
	h, directory, _ := locked(t)
	h.commit("github.com/new/n", map[string]string{"kurtosis.yml": "name: github.com/new/n\n", "a.star": "new"})
	cache := t.TempDir()
	opened := openWith(t, Options{CacheDir: cache}, directory, "")
	read(t, opened, "github.com/new/n/a.star")
	if warnings := opened.Warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], "github.com/new/n is not in "+filepath.Join(directory, LockName)) {
		t.Errorf("warnings %v", warnings)
	}
	opened = openWith(t, Options{CacheDir: cache, Locked: true}, directory, "")
	read(t, opened, "github.com/dep/d/a.star")
	if err := resolveError(t, opened, "github.com/new/n/a.star"); !errors.Is(err, ErrLock) || !strings.Contains(err.Error(), "sundog package lock") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(directory, LockName)); err != nil {
		t.Fatal(err)
	}
	opened = openWith(t, Options{CacheDir: cache, Locked: true}, directory, "")
	if err := resolveError(t, opened, "github.com/dep/d/a.star"); !errors.Is(err, ErrLock) || !strings.Contains(err.Error(), "there is no lock file") {
		t.Errorf("no lock at all: %v", err)
	}
}

func TestChangedFilesAreNoticed(t *testing.T) {
	_, directory, lock := locked(t)
	cache := t.TempDir()
	read(t, openWith(t, Options{CacheDir: cache}, directory, ""), "github.com/dep/d/a.star")
	pin := lock.Repositories["github.com/dep/d"]
	checkout := filepath.Join(cache, "git", "github.com", "dep", "d", "commits", pin.Commit)
	write(t, checkout, map[string]string{"a.star": "evil"})
	err := resolveError(t, openWith(t, Options{CacheDir: cache}, directory, ""), "github.com/dep/d/a.star")
	if !errors.Is(err, ErrMismatch) {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/dep/d", pin.Tree, checkout, LockName + ":4", "delete that folder"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	// The remedy helps.
	if err := os.RemoveAll(checkout); err != nil {
		t.Fatal(err)
	}
	read(t, openWith(t, Options{CacheDir: cache}, directory, ""), "github.com/dep/d/a.star")
}

func TestLockedCommitThatIsGone(t *testing.T) {
	_, directory, lock := locked(t)
	pin := lock.Repositories["github.com/dep/d"]
	pin.Commit = someCommit
	lock.Repositories["github.com/dep/d"] = pin
	if err := lock.Write(filepath.Join(directory, LockName)); err != nil {
		t.Fatal(err)
	}
	err := resolveError(t, openWith(t, Options{CacheDir: t.TempDir()}, directory, ""), "github.com/dep/d/a.star")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "--upgrade") || !strings.Contains(err.Error(), someCommit) {
		t.Error(err)
	}
}

func TestLocksOfARemotePackage(t *testing.T) {
	h := newHost(t)
	const dep = "github.com/dep/d"
	first := h.commit(dep, map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "a.star": "one"})
	second := h.commit(dep, map[string]string{"a.star": "two"})
	h.commit(dep, map[string]string{"a.star": "three"})
	pins := func(commit string) *Lock {
		found, err := New(Options{CacheDir: t.TempDir()}).Pin(context.Background(), dep+"@"+commit)
		if err != nil {
			t.Fatal(err)
		}
		return &Lock{Repositories: map[string]Pin{dep: found}}
	}
	encode := func(lock *Lock) string {
		text, err := lock.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	h.commit("github.com/o/r", map[string]string{"kurtosis.yml": manifestText, "main.star": "", LockName: encode(pins(first))})
	cache := t.TempDir()
	folder := t.TempDir()
	// The author's own lock counts where the user has none.
	if got := read(t, openWith(t, Options{CacheDir: cache}, "github.com/o/r", folder), dep+"/a.star"); got != "one" {
		t.Errorf("the package's own lock: %q", got)
	}
	// That of a dependency does not.
	outer := write(t, t.TempDir(), map[string]string{"kurtosis.yml": "name: github.com/x/outer\n", "main.star": ""})
	opened := openWith(t, Options{CacheDir: cache}, outer, "")
	read(t, opened, "github.com/o/r/main.star")
	if got := read(t, opened, dep+"/a.star"); got != "three" {
		t.Errorf("the lock of a dependency counted: %q", got)
	}
	// The user's comes first, in the working folder or wherever the options say.
	write(t, folder, map[string]string{LockName: encode(pins(second))})
	if got := read(t, openWith(t, Options{CacheDir: cache}, "github.com/o/r", folder), dep+"/a.star"); got != "two" {
		t.Errorf("the lock in the working folder: %q", got)
	}
	if got := read(t, openWith(t, Options{CacheDir: cache, LockFile: filepath.Join(folder, LockName)}, "github.com/o/r", t.TempDir()), dep+"/a.star"); got != "two" {
		t.Errorf("the lock of the options: %q", got)
	}
	if _, err := New(Options{CacheDir: cache, LockFile: filepath.Join(folder, "missing")}).Open(context.Background(), "github.com/o/r", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing lock file: %v", err)
	}
	// The root package itself can be pinned.
	opened = openWith(t, Options{CacheDir: cache}, "github.com/o/r", t.TempDir())
	lock, err := opened.Pins(context.Background())
	if err != nil || lock.Repositories["github.com/o/r"].Commit == "" {
		t.Fatalf("%+v, %v", lock, err)
	}
	h.commit("github.com/o/r", map[string]string{"main.star": "moved"})
	write(t, folder, map[string]string{LockName: encode(lock)})
	opened = openWith(t, Options{CacheDir: cache}, "github.com/o/r", folder)
	if content, err := mainFile(t, opened).Read(); err != nil || string(content) != "" {
		t.Errorf("the root moved: %q, %v", content, err)
	}
}

func TestLockFileIsReadThoughIgnored(t *testing.T) {
	_, directory, _ := locked(t)
	write(t, directory, map[string]string{ignoreName: LockName + "\n"})
	if got := read(t, openWith(t, Options{CacheDir: t.TempDir()}, directory, ""), "github.com/dep/d/a.star"); got != "one" {
		t.Errorf("%q", got)
	}
}

func TestTreeDigestIsWhatItsCommentSays(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{"a.txt": "m", "a-b/c": "", ".git/HEAD": "x", "sub/.git": "gitdir: y", "odd \"name\"\n": ""})
	if err := os.Mkdir(filepath.Join(directory, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(directory, "a-b/c"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("m", filepath.Join(directory, "link")); err != nil {
		t.Fatal(err)
	}
	const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	want := fmt.Sprintf("100755 %s \"a-b/c\"\n100644 %s \"a.txt\"\n120000 %s \"link\"\n100644 %s \"odd \\\"name\\\"\\n\"\n", nothing, someSum, someSum, nothing)
	digested := (&tree{directory: write(t, t.TempDir(), map[string]string{"x": want})})
	sum, _, _, err := digested.digest("x")
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&tree{directory: directory}).treeDigest(context.Background())
	if err != nil || got != "sha256:"+sum {
		t.Errorf("%s, %v; want %s", got, err, sum)
	}
}

func FuzzLock(f *testing.F) {
	pin := "    commit: \"" + someCommit + "\"\n    tree: sha256:" + someSum + "\n"
	for _, seed := range []string{
		"", "version: 1\n", "version: 1\nrepositories:\n  github.com/o/r@v1:\n" + pin, "version: 1\nrepositories:\n  gitlab.com/a/b/c.git:\n" + pin,
		"version: 1\nfiles:\n  https://example.com/x?y=1:\n    sha256: " + someSum + "\n", "version: &a [*a]", "{", "version: 1\nfiles: {? [x] : {sha256: y}}",
		"version: 1\nfiles:\n  \"http://\\0\":\n    sha256: " + someSum + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lock, err := ParseLock(text, LockName)
		if err != nil {
			if !errors.Is(err, ErrLock) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		encoded, err := lock.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseLock(encoded, LockName)
		if err != nil || !again.Equal(lock) {
			t.Errorf("%q: written as %q and read as %+v, %v", text, encoded, again, err)
		}
		if _, err := parseVendorList(text, VendorListName); err != nil && !errors.Is(err, ErrVendor) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
