package locator

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// link makes symbolic links below a folder.
func link(t testing.TB, directory string, links map[string]string) {
	t.Helper()
	for name, target := range links {
		file := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, file); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingLeadsIntoGitsOwnFolder(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{
		"kurtosis.yml": manifestText, "main.star": "", ".git/config": "url = https://token@github.com", "sub/.git": "gitdir: ../x", "dir/x": "",
	})
	link(t, directory, map[string]string{"direct": ".git/config", "folder": ".git", "chain": "dir/hop", "dir/hop": "../folder/config", "upper": ".GIT/config"})
	opened := open(t, directory)
	for _, locator := range []string{"./.git/config", "/.git", "./.git", "./sub/.git", "./direct", "./folder", "./folder/config", "./chain", "./upper", "./.GIT/config", "./dir/../.git/config"} {
		for _, target := range []Target{Files, Module} {
			if file, err := opened.Resolve(context.Background(), mainFile(t, opened), locator, target); !errors.Is(err, ErrOutside) {
				t.Errorf("%s: %q, %v", locator, file, err)
			}
		}
	}
	if _, err := opened.Main(".git/config"); !errors.Is(err, ErrOutside) {
		t.Errorf("main file: %v", err)
	}
	folder, err := opened.Resolve(context.Background(), mainFile(t, opened), "/dir", Files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Tree(context.Background()); !errors.Is(err, ErrOutside) {
		t.Errorf("folder with a link there: %v", err)
	}
}

func TestChainsOfLinks(t *testing.T) {
	t.Parallel()
	outside := write(t, t.TempDir(), map[string]string{"secret": "s3cret"})
	directory := write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": "", "real/file": "text", "real/deep/file": "deep", "other/x": ""})
	link(t, directory, map[string]string{
		"up/one": "two", "up/two": "../real/file", "up/three": "../real/alias/file", "real/alias": "deep",
		"out/one": "two", "out/two": "three", "out/three": filepath.Join(outside, "secret"), "out/four": "../real/back/../../../secret", "real/back": "deep",
		"loop/a": "b", "loop/b": "a", "self": "self", "nowhere": "real/missing", "gone/x": "../../../../nothing", "dots": "real/deep/..",
	})
	opened := open(t, directory)
	at := func(locator string) (File, error) {
		return opened.Resolve(context.Background(), mainFile(t, opened), locator, Files)
	}
	for locator, want := range map[string]string{"./up/one": "text", "./up/three": "deep", "./dots/file": "text"} {
		file, err := at(locator)
		if err != nil {
			t.Errorf("%s: %v", locator, err)
			continue
		}
		if content, err := file.Read(); err != nil || string(content) != want {
			t.Errorf("%s: %q, %v; want %q", locator, content, err, want)
		}
	}
	for locator, want := range map[string]error{"./out/one": ErrOutside, "./out/four": ErrOutside, "./nowhere": ErrNotFound, "./gone/x": ErrOutside} {
		if _, err := at(locator); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", locator, err, want)
		}
	}
	for _, locator := range []string{"./loop/a", "./self"} {
		if _, err := at(locator); err == nil || !strings.Contains(err.Error(), "in a circle") {
			t.Errorf("%s: %v", locator, err)
		}
	}
	// A folder of links to files elsewhere in the repository becomes a folder of these files.
	folder, err := at("./up")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := folder.Tree(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range tree.Files {
		names = append(names, file.Path+" "+file.Link)
	}
	if got := strings.Join(names, ", "); got != "one two, three , two " {
		t.Errorf("tree %s", got)
	}
}

func TestDanglingLinkInAFolder(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""})
	// What an editor leaves while a file is open.
	link(t, directory, map[string]string{".#main.star": "somebody@host.1234:5678"})
	files, err := open(t, directory).Files(context.Background())
	if err != nil || files[".#main.star"] == "" {
		t.Errorf("%v, %v", files, err)
	}
}

func TestOddNames(t *testing.T) {
	t.Parallel()
	names := []string{"with space.txt", "ümläut.txt", "at@sign.txt", "per%20cent.txt", "hash#.txt", "quo\"te'.txt", "new\nline.txt", "-dash", "~tilde", "*star?", "trailing.", "日本.txt", "a:b"}
	files := map[string]string{"kurtosis.yml": manifestText, "main.star": ""}
	for _, name := range names {
		files["odd/"+name] = name
	}
	opened := open(t, write(t, t.TempDir(), files))
	for _, name := range names {
		for _, prefix := range []string{"./odd/", "/odd/", "odd/"} {
			if got := read(t, opened, prefix+name); got != name {
				t.Errorf("%s%s: %q", prefix, name, got)
			}
		}
	}
	folder, err := opened.Resolve(context.Background(), mainFile(t, opened), "./odd", Files)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := folder.Tree(context.Background())
	if err != nil || len(tree.Files) != len(names) {
		t.Errorf("%v, %v", tree, err)
	}
}

func TestOddNamesOfARepository(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "with space/ümläut.txt": "odd"})
	opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""}))
	if got := read(t, opened, "github.com/dep/d/with space/ümläut.txt"); got != "odd" {
		t.Errorf("%q", got)
	}
}

func TestSubmodulesAreTold(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/sub/s", map[string]string{"x": "x"})
	h.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "a.star": ""})
	h.in("github.com/dep/d", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "https://github.com/sub/s.git", "libs/s")
	h.commit("github.com/dep/d", nil)
	opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""}))
	_, err := opened.Resolve(context.Background(), mainFile(t, opened), "github.com/dep/d/libs/s/x", Files)
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "\"libs/s\" is a Git submodule") {
		t.Error(err)
	}
	for _, locator := range []string{"github.com/dep/d/libs", "github.com/dep/d/libs/s"} {
		folder, err := opened.Resolve(context.Background(), mainFile(t, opened), locator, Files)
		if err == nil {
			_, err = folder.Tree(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if warnings := opened.Warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], "\"libs/s\" of github.com/dep/d is empty: it is a Git submodule") {
		t.Errorf("warnings %v", warnings)
	}
	if _, err := opened.Resolve(context.Background(), mainFile(t, opened), "github.com/dep/d/other/x", Files); !errors.Is(err, ErrNotFound) || strings.Contains(err.Error(), "submodule") {
		t.Error(err)
	}
}

func TestFilesAreWhatLiesInTheRepository(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	h.commit(repository, map[string]string{
		".gitattributes": "*.txt text eol=crlf\n*.id ident\n*.up filter=upper\n*.u16 working-tree-encoding=UTF-16\n",
		"kurtosis.yml":   manifestText, "main.star": "", "a.txt": "one\ntwo\n", "b.id": "$Id$\n", "c.up": "lower\n",
	})
	h.t.Setenv("GIT_CONFIG_COUNT", "4")
	h.t.Setenv("GIT_CONFIG_KEY_2", "filter.upper.smudge")
	h.t.Setenv("GIT_CONFIG_VALUE_2", "tr a-z A-Z")
	h.t.Setenv("GIT_CONFIG_KEY_3", "core.eol")
	h.t.Setenv("GIT_CONFIG_VALUE_3", "crlf")
	_, opened := text(t, New(Options{CacheDir: t.TempDir()}), repository)
	for name, want := range map[string]string{"a.txt": "one\ntwo\n", "b.id": "$Id$\n", "c.up": "lower\n"} {
		if got := read(t, opened, "./"+name); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
}
