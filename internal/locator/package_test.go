package locator

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const manifestText = "name: github.com/o/r\n"

func TestOpenFolder(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{
		"pkg/kurtosis.yml": "name: github.com/o/r\ndescription: text\n", "pkg/main.star": "x", "empty/file": "",
	})
	resolver := New(Options{})
	for _, locator := range []string{"./pkg", "pkg", "pkg/kurtosis.yml", filepath.Join(directory, "pkg")} {
		opened, err := resolver.Open(context.Background(), locator, directory)
		if err != nil {
			t.Errorf("%s: %v", locator, err)
			continue
		}
		if opened.Name != "github.com/o/r" || opened.Description != "text" || !opened.Local() || opened.Directory != filepath.Join(directory, "pkg") {
			t.Errorf("%s: opened %+v", locator, opened)
		}
	}
	for locator, want := range map[string]string{
		"./nothing": "no folder", "./empty": "holds no kurtosis.yml", "": "is empty", "pkg/main.star": "is a file", "http://x/y/z": "starts with https://",
		"https://github.com/o": "must name a repository", "a\x00b": "zero byte",
	} {
		if _, err := resolver.Open(context.Background(), locator, directory); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", locator, err, want)
		}
	}
}

func TestResolveRelative(t *testing.T) {
	t.Parallel()
	opened := open(t, write(t, t.TempDir(), map[string]string{
		"kurtosis.yml": manifestText, "main.star": "", "src/x.star": "x", "src/y.star": "y", "lib/z.star": "z",
		"github.com/o/other/file.star": "", "my.host/o/file.star": "mine",
	}))
	from, err := opened.Main("src/x.star")
	if err != nil {
		t.Fatal(err)
	}
	for locator, want := range map[string]string{
		"./y.star": "src/y.star", "y.star": "src/y.star", "../lib/z.star": "lib/z.star", "/lib/z.star": "lib/z.star", "../lib": "lib", "/": ".", ".": "src",
	} {
		file, err := opened.Resolve(context.Background(), from, locator, Files)
		if err != nil || file.String() != want {
			t.Errorf("%s: %q, %v; want %q", locator, file, err, want)
		}
	}
	// An existing folder wins over a host's name.
	file, err := opened.Resolve(context.Background(), mainFile(t, opened), "my.host/o/file.star", Module)
	if err != nil || file.String() != "./my.host/o/file.star" {
		t.Errorf("folder that is called like a host: %q, %v", file, err)
	}
	for locator, want := range map[string]error{
		"./missing.star": ErrNotFound, "../../x": ErrOutside, "/../x": ErrOutside, "/x/../../y": ErrOutside, "": ErrSyntax, "a\x00b": ErrSyntax,
		"github.com/o/r/src/y.star": ErrSelfImport, "github.com/o/r@v1/src/y.star": ErrSelfImport, "https://github.com/o/r": ErrSyntax,
		"./y.star/z": ErrNotFound,
	} {
		if file, err := opened.Resolve(context.Background(), from, locator, Files); !errors.Is(err, want) {
			t.Errorf("%q: %q, %v; want %v", locator, file, err, want)
		}
	}
}

func TestSelfImportIsByWholeSegments(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{
		"kurtosis.yml": manifestText + "replace:\n  github.com/o/r2: ./r2\n", "main.star": "", "r2/kurtosis.yml": "name: github.com/o/r2\n", "r2/x.star": "",
	})
	opened := open(t, directory)
	file, err := opened.Resolve(context.Background(), mainFile(t, opened), "github.com/o/r2/x.star", Module)
	if err != nil || file.String() != "github.com/o/r2/x.star" {
		t.Errorf("%q, %v", file, err)
	}
}

func TestSymbolicLinksStayInside(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{
		"secret/key": "s3cret", "pkg/kurtosis.yml": manifestText, "pkg/main.star": "", "pkg/files/a.txt": "a", "pkg/shared/b.txt": "b", "pkg/shared/d/c.txt": "c",
	})
	for name, target := range map[string]string{
		"pkg/out": "../secret/key", "pkg/outdir": "../secret", "pkg/abs": filepath.Join(directory, "secret/key"),
		"pkg/files/in.txt": "a.txt", "pkg/files/elsewhere.txt": "../shared/b.txt", "pkg/files/folder": "../shared",
	} {
		if err := os.Symlink(target, filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	opened := open(t, filepath.Join(directory, "pkg"))
	from := mainFile(t, opened)
	for _, locator := range []string{"./out", "./outdir/key", "./outdir", "./abs"} {
		if file, err := opened.Resolve(context.Background(), from, locator, Files); !errors.Is(err, ErrOutside) {
			t.Errorf("%s: %q, %v; want %v", locator, file, err, ErrOutside)
		}
	}
	if _, err := opened.Files(context.Background()); !errors.Is(err, ErrOutside) {
		t.Errorf("files of a package with links that lead out: %v", err)
	}
	folder, err := opened.Resolve(context.Background(), from, "./files", Files)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := folder.Tree(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, file := range tree.Files {
		if file.Mode&fs.ModeSymlink != 0 {
			got[file.Path] = "-> " + file.Link
			continue
		}
		content, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		got[file.Path] = string(text)
	}
	want := map[string]string{"a.txt": "a", "in.txt": "-> a.txt", "elsewhere.txt": "b", "folder/b.txt": "b", "folder/d/c.txt": "c"}
	if len(got) != len(want) {
		t.Errorf("tree %v; want %v", got, want)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %q; want %q", name, got[name], text)
		}
	}
}

func TestLinksInACircleEnd(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": "", "a/file": "x", "b/file": "y"})
	for name, target := range map[string]string{"a/b": "../b", "b/a": "../a"} {
		if err := os.Symlink(target, filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	opened := open(t, directory)
	folder, err := opened.Resolve(context.Background(), mainFile(t, opened), "./a", Files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Tree(context.Background()); err == nil || !strings.Contains(err.Error(), "without end") {
		t.Errorf("tree of links in a circle: %v", err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	opened := open(t, write(t, t.TempDir(), map[string]string{
		"kurtosis.yml": manifestText, "main.star": "m", ".git/HEAD": "ref", "sub/.git": "gitdir", "sub/a": "a", "logs/x.log": "l", "keep.log": "k", "build/x": "b",
		".kurtosisignore": "# comment\n\nlogs/*.log\nbuild/\n",
	}))
	files, err := opened.Files(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kurtosis.yml", "main.star", "sub/a", "keep.log", ".kurtosisignore"} {
		if len(files[name]) != 64 {
			t.Errorf("%s: %q", name, files[name])
		}
	}
	if len(files) != 5 {
		t.Errorf("files %v", files)
	}
	// sha256("m")
	if files["main.star"] != "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a" {
		t.Errorf("main.star: %s", files["main.star"])
	}
	if _, err := opened.Resolve(context.Background(), mainFile(t, opened), "./build/x", Files); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), ignoreName) {
		t.Errorf("ignored file: %v", err)
	}
}

func TestTreeNoticesChanges(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": "", "data.txt": "one"})
	opened := open(t, directory)
	file, err := opened.Resolve(context.Background(), mainFile(t, opened), "./data.txt", Files)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := file.Tree(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) != 1 || tree.Files[0].Path != "data.txt" || tree.Files[0].Mode != 0o644 {
		t.Fatalf("tree %+v", tree.Files)
	}
	write(t, directory, map[string]string{"data.txt": "two"})
	if err := tree.WriteTar(io.Discard); !errors.Is(err, errChanged) {
		t.Errorf("archive of a changed file: %v", err)
	}
}

func TestReplaceByFolder(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{
		"pkg/kurtosis.yml": manifestText + "replace:\n  github.com/dep/one: ../one\n  github.com/dep/one/inner: ../inner\n  github.com/dep/bad: ../bad\n",
		"pkg/main.star":    "", "one/kurtosis.yml": "name: github.com/dep/one\n", "one/x.star": "one", "one/inner/y.star": "hidden",
		"inner/kurtosis.yml": "name: github.com/dep/one/inner\n", "inner/y.star": "inner", "bad/x": "",
	})
	opened := open(t, filepath.Join(directory, "pkg"))
	from := mainFile(t, opened)
	for locator, want := range map[string]string{
		"github.com/dep/one/x.star": "one", "github.com/dep/one/inner/y.star": "inner", "github.com/dep/one/x.star@v9": "one",
	} {
		file, err := opened.Resolve(context.Background(), from, locator, Module)
		if err != nil {
			t.Errorf("%s: %v", locator, err)
			continue
		}
		text, err := file.Read()
		if err != nil || string(text) != want {
			t.Errorf("%s: %q, %v; want %q", locator, text, err, want)
		}
	}
	// The key itself is replaced too.
	if file, err := opened.Resolve(context.Background(), from, "github.com/dep/one", Files); err != nil || !file.IsDir() {
		t.Errorf("the key itself: %v", err)
	}
	if _, err := opened.Resolve(context.Background(), from, "github.com/dep/bad/x", Files); !errors.Is(err, ErrNotFound) {
		t.Errorf("folder without kurtosis.yml: %v", err)
	}
	// A relative locator of a replaced package that leads into another replaced part of the repository finds that.
	one, err := opened.Resolve(context.Background(), from, "github.com/dep/one/inner/y.star", Module)
	if err != nil {
		t.Fatal(err)
	}
	file, err := opened.Resolve(context.Background(), one, "../x.star", Module)
	if err != nil || file.String() != "github.com/dep/one/x.star" {
		t.Errorf("from one replaced folder to another: %q, %v", file, err)
	}
}

func TestPackageInACheckout(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{
		".git/HEAD": "ref: refs/heads/main\n", "sub/pkg/kurtosis.yml": "name: github.com/o/r/sub/pkg\n", "sub/pkg/main.star": "", "lib/x.star": "lib",
	})
	opened := open(t, filepath.Join(directory, "sub", "pkg"))
	for _, locator := range []string{"/lib/x.star", "../../lib/x.star"} {
		file, err := opened.Resolve(context.Background(), mainFile(t, opened), locator, Module)
		if err != nil || file.String() != "github.com/o/r/lib/x.star" {
			t.Errorf("%s: %q, %v", locator, file, err)
		}
	}
	files, err := opened.Files(context.Background())
	if err != nil || len(files) != 2 {
		t.Errorf("files %v, %v", files, err)
	}
}

func TestMainFile(t *testing.T) {
	t.Parallel()
	opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "src/main.star": ""}))
	if file, err := opened.Main("./src/main.star"); err != nil || file.String() != "src/main.star" || file.Base() != "main.star" {
		t.Errorf("%q, %v", file, err)
	}
	for name, want := range map[string]error{"": ErrOutside, "/etc/passwd": ErrOutside, "../x": ErrOutside, "x.star": ErrNotFound} {
		if _, err := opened.Main(name); !errors.Is(err, want) {
			t.Errorf("%q: %v; want %v", name, err, want)
		}
	}
}
