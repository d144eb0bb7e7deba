package locator

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A dependency that says no version gets the one that the package has chosen for the repository, as it does upstream.
func TestNoVersionMeansTheOneThatWasUsedFirst(t *testing.T) {
	h := newHost(t)
	files := func(text string) map[string]string {
		return map[string]string{"kurtosis.yml": "name: github.com/o/lib\n", "x.star": text}
	}
	chosen := h.commit("github.com/o/lib", files("old"))
	h.commit("github.com/o/lib", files("new"))
	h.commit("github.com/o/other", map[string]string{"kurtosis.yml": "name: github.com/o/other\n", "y.star": ""})
	root := write(t, t.TempDir(), map[string]string{"kurtosis.yml": "name: github.com/acme/shop\n", "main.star": ""})
	ctx := context.Background()

	read := func(p *Package, from File, locator string) string {
		t.Helper()
		file, err := p.Resolve(ctx, from, locator, Module)
		if err != nil {
			t.Fatal(err)
		}
		text, err := file.Read()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	p := open(t, root)
	main := mainFile(t, p)
	if got := read(p, main, "github.com/o/lib/x.star@"+chosen); got != "old" {
		t.Error(got)
	}
	other, err := p.Resolve(ctx, main, "github.com/o/other/y.star", Module)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(p, other, "github.com/o/lib/x.star"); got != "old" {
		t.Errorf("the dependency got the %s version", got)
	}
	// The root package's own files mean what they say: the default branch, or the version that is named.
	if got := read(p, main, "github.com/o/lib/x.star"); got != "new" {
		t.Error(got)
	}
	p = open(t, root)
	main = mainFile(t, p)
	if got := read(p, main, "github.com/o/lib/x.star"); got != "new" {
		t.Error(got)
	}
	if got := read(p, main, "github.com/o/lib/x.star@"+chosen); got != "old" {
		t.Error(got)
	}
}

// Packages are published with replaces that name folders of their authors' machines.
func TestReplaceByFolderInARemotePackageIsPassedOver(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/o/lib", map[string]string{"kurtosis.yml": "name: github.com/o/lib\n", "x.star": "published"})
	h.commit("github.com/acme/shop", map[string]string{
		"kurtosis.yml": "name: github.com/acme/shop\nreplace:\n  github.com/o/lib: ../lib\n", "main.star": "",
	})
	p, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "github.com/acme/shop", "")
	if err != nil {
		t.Fatal(err)
	}
	file, err := p.Resolve(context.Background(), mainFile(t, p), "github.com/o/lib/x.star", Module)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := file.Read(); err != nil || string(text) != "published" {
		t.Error(string(text), err)
	}
	if warnings := strings.Join(p.Warnings(), "\n"); !strings.Contains(warnings, `replace of "github.com/o/lib" by the folder "../lib" is passed over`) {
		t.Error(warnings)
	}

	// Run from a folder, the same package means the folder.
	folder := t.TempDir()
	write(t, folder, map[string]string{
		"shop/kurtosis.yml": "name: github.com/acme/shop\nreplace:\n  github.com/o/lib: ../lib\n", "shop/main.star": "",
		"lib/kurtosis.yml": "name: github.com/o/lib\n", "lib/x.star": "local",
	})
	p = open(t, filepath.Join(folder, "shop"))
	if file, err = p.Resolve(context.Background(), mainFile(t, p), "github.com/o/lib/x.star", Module); err != nil {
		t.Fatal(err)
	}
	if text, err := file.Read(); err != nil || string(text) != "local" {
		t.Error(string(text), err)
	}
	if _, err := os.Stat(filepath.Join(folder, "shop", LockName)); err == nil {
		t.Error("resolving must write no lock")
	}
}
