package locator

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// vendoring is a package that needs two versions of a repository, two locators of one commit, and a file behind a URL.
type vendoring struct {
	*host
	pkg, url, folder, cache string
	locators                []string
}

func newVendoring(t *testing.T) *vendoring {
	t.Helper()
	v := &vendoring{host: newHost(t), folder: filepath.Join(t.TempDir(), "vendored"), cache: t.TempDir()}
	v.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "a.star": "one", "bin/tool": "#!/bin/sh\n", "sub/x": "x"})
	work := filepath.Join(v.root, "work/github.com/dep/d")
	if err := os.Chmod(filepath.Join(work, "bin/tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.star", filepath.Join(work, "link.star")); err != nil {
		t.Fatal(err)
	}
	v.commit("github.com/dep/d", nil)
	v.in("github.com/dep/d", "tag", "v1")
	v.commit("github.com/dep/d", map[string]string{"a.star": "two"})
	v.in("github.com/dep/d", "branch", "feat/x")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("behind a URL")) }))
	t.Cleanup(server.Close)
	v.url = server.URL + "/file.txt"
	v.pkg = write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""})
	v.locators = []string{"github.com/dep/d/a.star@v1", "github.com/dep/d/a.star", "github.com/dep/d/a.star@feat/x"}
	return v
}

// used opens the package and uses what it needs.
func (v *vendoring) used(options Options) *Package {
	v.t.Helper()
	opened := openWith(v.t, options, v.pkg, "")
	for _, locator := range v.locators {
		read(v.t, opened, locator)
	}
	if v.url != "" {
		if _, err := opened.Download(context.Background(), v.url); err != nil {
			v.t.Fatal(err)
		}
	}
	return opened
}

func (v *vendoring) vendor(keep bool) *VendorReport {
	v.t.Helper()
	report, err := v.used(Options{CacheDir: v.cache}).Vendor(context.Background(), v.folder, keep)
	if err != nil {
		v.t.Fatal(err)
	}
	return report
}

func TestVendorFolder(t *testing.T) {
	v := newVendoring(t)
	report := v.vendor(false)
	if want := []string{"github.com/dep/d", "github.com/dep/d@v1", v.url}; !slices.Equal(report.Added, want) || len(report.Kept)+len(report.Removed)+len(report.Left) > 0 {
		t.Errorf("report %+v; want %v", report, want)
	}
	for name, want := range map[string]string{"github.com/dep/d/a.star": "two", "github.com/dep/d@v1/a.star": "one", "github.com/dep/d@v1/sub/x": "x"} {
		if content, err := os.ReadFile(filepath.Join(v.folder, name)); err != nil || string(content) != want {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
	if info, err := os.Stat(filepath.Join(v.folder, "github.com/dep/d/bin/tool")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("tool: %v, %v", info, err)
	}
	if target, err := os.Readlink(filepath.Join(v.folder, "github.com/dep/d/link.star")); err != nil || target != "a.star" {
		t.Errorf("link: %q, %v", target, err)
	}
	if entries, err := filepath.Glob(filepath.Join(v.folder, ".*")); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	fetched := v.used(Options{CacheDir: v.cache}).Used()

	// The folder is all that is needed: no git, no network, no cache.
	t.Setenv("PATH", t.TempDir())
	t.Setenv("HOME", "/nonexistent")
	t.Setenv("XDG_CACHE_HOME", "/nonexistent")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	opened := openWith(t, Options{VendorDir: v.folder}, v.pkg, "")
	for locator, want := range map[string]string{v.locators[0]: "one", v.locators[1]: "two", v.locators[2]: "two"} {
		if got := read(t, opened, locator); got != want {
			t.Errorf("%s: %q; want %q", locator, got, want)
		}
	}
	tree, err := opened.Download(context.Background(), v.url)
	if err != nil || tree.Files[0].Path != "file.txt" || tree.Files[0].Size != int64(len("behind a URL")) {
		t.Errorf("%+v, %v", tree, err)
	}
	if used := opened.Used(); !slices.Equal(used, fetched) || used[0].Commit == "" {
		t.Errorf("used %+v; want %+v", used, fetched)
	}
	if warnings := opened.Warnings(); len(warnings) > 0 {
		t.Errorf("warnings %v", warnings)
	}
	// A lock of a vendored package is the same as that of a fetched one.
	if lock, err := opened.Pins(context.Background()); err != nil || len(lock.Repositories) != 3 || len(lock.Files) != 1 {
		t.Errorf("%+v, %v", lock, err)
	}
	// What is not there is not taken for something else.
	for _, locator := range []string{"github.com/dep/d/a.star@v2", "github.com/dep/other/a.star"} {
		if err := resolveError(t, opened, locator); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "sundog package vendor") {
			t.Errorf("%s: %v", locator, err)
		}
	}
	if _, err := opened.Download(context.Background(), v.url+"2"); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "sundog package vendor") {
		t.Errorf("URL that is not vendored: %v", err)
	}
}

func TestVendorFolderIsChecked(t *testing.T) {
	v := newVendoring(t)
	v.vendor(false)
	write(t, v.folder, map[string]string{"github.com/dep/d@v1/a.star": "evil"})
	opened := openWith(t, Options{VendorDir: v.folder}, v.pkg, "")
	read(t, opened, v.locators[1])
	if err := resolveError(t, opened, v.locators[0]); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), filepath.Join(v.folder, VendorListName)) {
		t.Error(err)
	}
	sums, err := filepath.Glob(filepath.Join(v.folder, "files", "*"))
	if err != nil || len(sums) != 1 {
		t.Fatal(sums, err)
	}
	if err := os.WriteFile(sums[0], []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Download(context.Background(), v.url); !errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
	// Writing it again mends it.
	if report := v.vendor(false); !slices.Equal(report.Added, []string{"github.com/dep/d@v1", v.url}) {
		t.Errorf("%+v", report)
	}
	v.used(Options{VendorDir: v.folder})
	if err := os.RemoveAll(filepath.Join(v.folder, "github.com/dep/d@v1")); err != nil {
		t.Fatal(err)
	}
	if err := resolveError(t, openWith(t, Options{VendorDir: v.folder}, v.pkg, ""), v.locators[0]); !errors.Is(err, ErrVendor) || !strings.Contains(err.Error(), "run \"sundog package vendor\" again") {
		t.Error(err)
	}
}

func TestVendorHonoursTheLock(t *testing.T) {
	v := newVendoring(t)
	lock, err := v.used(Options{CacheDir: v.cache}).Pins(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Write(filepath.Join(v.pkg, LockName)); err != nil {
		t.Fatal(err)
	}
	v.commit("github.com/dep/d", map[string]string{"a.star": "three"})
	v.vendor(false)
	if got := read(t, v.used(Options{VendorDir: v.folder, Locked: true}), "github.com/dep/d/a.star"); got != "two" {
		t.Errorf("%q", got)
	}
	// A lock that has moved on does not fit the folder any more.
	newer, err := v.used(Options{CacheDir: v.cache, Refresh: true}).Pins(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := newer.Write(filepath.Join(v.pkg, LockName)); err != nil {
		t.Fatal(err)
	}
	if err := resolveError(t, openWith(t, Options{VendorDir: v.folder}, v.pkg, ""), "github.com/dep/d/a.star"); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "vendor\" again") {
		t.Error(err)
	}
	v.vendor(false)
	if got := read(t, v.used(Options{VendorDir: v.folder}), "github.com/dep/d/a.star"); got != "three" {
		t.Errorf("%q", got)
	}
	// A folder that was filled by hand is held to the lock by its files, and gets its commit from there.
	byHand := t.TempDir()
	if err := os.CopyFS(byHand, os.DirFS(filepath.Join(v.folder))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(byHand, VendorListName)); err != nil {
		t.Fatal(err)
	}
	v.url = ""
	if used := v.used(Options{VendorDir: byHand}).Used(); used[0].Commit != newer.Repositories["github.com/dep/d"].Commit {
		t.Errorf("used %+v", used)
	}
	write(t, byHand, map[string]string{"github.com/dep/d/new": ""})
	if err := resolveError(t, openWith(t, Options{VendorDir: byHand}, v.pkg, ""), "github.com/dep/d/a.star"); !errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
}

func TestVendorRemovesOnlyWhatItWrote(t *testing.T) {
	v := newVendoring(t)
	v.vendor(false)
	write(t, v.folder, map[string]string{"README": "mine", "github.com/mine/m/x": "mine"})
	v.locators, v.url = v.locators[:1], ""
	if report := v.vendor(true); len(report.Removed) != 0 {
		t.Errorf("keep: %+v", report)
	}
	v.used(Options{VendorDir: v.folder})
	report := v.vendor(false)
	if len(report.Removed) != 2 || report.Removed[0] != "github.com/dep/d@v1" || !slices.Equal(report.Added, []string{"github.com/dep/d"}) {
		t.Errorf("%+v", report)
	}
	for _, name := range []string{"README", "github.com/mine/m/x", "github.com/dep/d/a.star"} {
		if _, err := os.Stat(filepath.Join(v.folder, name)); err != nil {
			t.Error(err)
		}
	}
	if got := read(t, v.used(Options{VendorDir: v.folder}), v.locators[0]); got != "one" {
		t.Errorf("%q", got)
	}
	// What somebody changed stays, and is told.
	write(t, v.folder, map[string]string{"github.com/dep/d/note": "mine"})
	v.locators = nil
	if report := v.vendor(false); !slices.Equal(report.Left, []string{"github.com/dep/d"}) {
		t.Errorf("%+v", report)
	}
	// And what somebody else wrote is not overwritten.
	v.locators = []string{"github.com/dep/d/a.star"}
	_, err := v.used(Options{CacheDir: v.cache}).Vendor(context.Background(), v.folder, false)
	if !errors.Is(err, ErrVendor) || !strings.Contains(err.Error(), "was not written by this command") {
		t.Error(err)
	}
	if _, err := v.used(Options{CacheDir: v.cache}).Vendor(context.Background(), v.pkg, false); !errors.Is(err, ErrVendor) {
		t.Errorf("into the package itself: %v", err)
	}
}

func TestContains(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string]bool{"/": true, "/a": true, "/a/b": true, "/a/b/vendor": false, "/a/c": false, "/a/bb": false} {
		if got := contains(folder, "/a/b"); got != want {
			t.Errorf("%s: %v", folder, got)
		}
	}
}

func TestVendorAfterAKill(t *testing.T) {
	v := newVendoring(t)
	v.vendor(false)
	list, err := os.ReadFile(filepath.Join(v.folder, VendorListName))
	if err != nil {
		t.Fatal(err)
	}
	// A writer that died after it had noted its intent, with half a copy and a folder not yet in place.
	if err := os.RemoveAll(filepath.Join(v.folder, "github.com/dep/d@v1")); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(v.folder, vendorWork+"123")
	write(t, left, map[string]string{"new-1/half": "x"})
	old := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	v.vendor(false)
	if again, err := os.ReadFile(filepath.Join(v.folder, VendorListName)); err != nil || string(again) != string(list) {
		t.Errorf("%s, %v; want %s", again, err, list)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
	v.used(Options{VendorDir: v.folder})
}

func TestVendorOfARemotePackage(t *testing.T) {
	v := newVendoring(t)
	v.commit("github.com/o/r", map[string]string{"sub/kurtosis.yml": "name: github.com/o/r/sub\n", "sub/main.star": "x"})
	opened := openWith(t, Options{CacheDir: v.cache}, "github.com/o/r/sub", t.TempDir())
	report, err := opened.Vendor(context.Background(), v.folder, false)
	if err != nil || !slices.Equal(report.Added, []string{"github.com/o/r"}) {
		t.Fatalf("%+v, %v", report, err)
	}
	t.Setenv("PATH", t.TempDir())
	again := openWith(t, Options{VendorDir: v.folder}, "github.com/o/r/sub", t.TempDir())
	if !slices.Equal(again.Used(), opened.Used()) {
		t.Errorf("%+v", again.Used())
	}
}

func TestVendorListErrors(t *testing.T) {
	t.Parallel()
	entry := "    commit: \"" + someCommit + "\"\n    tree: sha256:" + someSum + "\n"
	for text, want := range map[string]string{
		"version: 1\nrepositories:\n  github.com/o/r:\n" + entry:                              "sundog-vendor.yml:3: github.com/o/r: folder \"\" must be",
		"version: 1\nrepositories:\n  github.com/o/r:\n    folder: ../../etc\n" + entry:       "must be a path inside",
		"version: 1\nrepositories:\n  github.com/o/r:\n    folder: /etc\n" + entry:            "must be a path inside",
		"version: 1\nrepositories:\n  github.com/o/r:\n    folder: x\n":                       "commit must be",
		"version: 1\nfiles:\n  http://x/y:\n    sha256: ../x\n":                               "sundog-vendor.yml:3: http://x/y: sha256 must be",
		"version: 1\nrepositories:\n  github.com/o/r:\n    folder: x\n    extra: y\n" + entry: "sundog-vendor.yml:5: field extra not found",
	} {
		folder := write(t, t.TempDir(), map[string]string{VendorListName: text})
		_, err := New(Options{VendorDir: folder}).Open(context.Background(), "github.com/o/r", t.TempDir())
		if !errors.Is(err, ErrVendor) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}
