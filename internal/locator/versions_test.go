package locator

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestOddVersions(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	commit := h.commit(repository, map[string]string{"kurtosis.yml": manifestText, "main.star": "one", "sub/kurtosis.yml": "name: github.com/o/r/sub\n", "sub/main.star": "sub"})
	for _, branch := range []string{"release/1.0", "feature/deep/er", "v1.0", "UPPER", "with+plus", "dot.ted", "fetch-me"} {
		h.in(repository, "branch", branch)
	}
	// A branch whose name looks like a short hash wins over the commit.
	h.in(repository, "branch", "abcdef0")
	h.in(repository, "tag", "2024.01.02-rc.1")
	h.commit(repository, map[string]string{"main.star": "two"})
	cache := t.TempDir()
	for _, version := range []string{"release/1.0", "feature/deep/er", "v1.0", "UPPER", "with+plus", "dot.ted", "fetch-me", "abcdef0", "2024.01.02-rc.1", commit[:7], commit} {
		for _, locator := range []string{repository + "@" + version, "GitHub.com/o/r@" + version, "https://github.com/o/r.git@" + version} {
			got, opened := text(t, New(Options{CacheDir: cache}), locator)
			if got != "one" || opened.Used()[0].Locator != repository+"@"+version {
				t.Errorf("%s: %q, %+v", locator, got, opened.Used())
			}
		}
		if got, _ := text(t, New(Options{CacheDir: cache}), repository+"/sub@"+version); got != "sub" {
			t.Errorf("%s: %q", version, got)
		}
	}
	opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": "name: github.com/x/y\n", "main.star": ""}))
	for locator, want := range map[string]string{
		"github.com/o/r/main.star@release/1.0": "one", "github.com/o/r@v1.0/main.star": "one", "github.com/o/r@v1.0/sub/main.star": "sub", "GITHUB.com/o/r/main.star": "two",
	} {
		if got := read(t, opened, locator); got != want {
			t.Errorf("%s: %q; want %q", locator, got, want)
		}
	}
	err := resolveError(t, opened, "github.com/o/r@release/1.0/main.star")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `no tag, branch or commit "release"`) || !strings.Contains(err.Error(), "path@version") {
		t.Error(err)
	}
}

func TestShortHashThatFitsTwoCommits(t *testing.T) {
	h := newHost(t)
	const repository = "github.com/o/r"
	h.commit(repository, map[string]string{"kurtosis.yml": manifestText, "main.star": ""})
	_, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), repository+"@0000000", "")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "or more than one starts with it") {
		t.Error(err)
	}
}

func TestReplaceInItsForms(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/dep/d", map[string]string{"kurtosis.yml": "name: github.com/dep/d\n", "a.star": "d v1", "sub/kurtosis.yml": "name: github.com/dep/d/sub\n", "sub/a.star": "d sub v1"})
	h.in("github.com/dep/d", "tag", "v1")
	h.commit("github.com/dep/d", map[string]string{"a.star": "d"})
	h.commit("github.com/fork/f", map[string]string{"kurtosis.yml": "name: github.com/fork/f\n", "a.star": "f v1", "sub/kurtosis.yml": "name: github.com/fork/f/sub\n", "sub/a.star": "f sub v1"})
	h.in("github.com/fork/f", "tag", "v1")
	h.commit("github.com/fork/f", map[string]string{"a.star": "f"})
	h.commit("git.example.com/o/r", map[string]string{"kurtosis.yml": "name: git.example.com/o/r\n", "a.star": "by URL"})
	for _, c := range []struct{ replace, locator, want string }{
		{"github.com/dep/d: github.com/fork/f", "github.com/dep/d/a.star", "f"},
		{"github.com/dep/d: github.com/fork/f", "github.com/dep/d/a.star@v1", "f v1"}, // the version that was asked for
		{"github.com/dep/d: github.com/fork/f@v1", "github.com/dep/d/a.star", "f v1"},
		{"github.com/dep/d: github.com/fork/f@v1", "github.com/dep/d/a.star@main", "f v1"}, // replace has the last word
		{"github.com/dep/d: github.com/dep/d@v1", "github.com/dep/d/a.star", "d v1"},
		{"github.com/dep/d: github.com/dep/d", "github.com/dep/d/a.star@v1", "d"},
		{"github.com/dep/d/sub: github.com/fork/f/sub", "github.com/dep/d/sub/a.star", "f sub v1"},
		{"github.com/dep/d/sub: github.com/fork/f/sub", "github.com/dep/d/a.star", "d"},
		{"github.com/dep/d/su: github.com/fork/f", "github.com/dep/d/sub/a.star", "d sub v1"}, // by whole segments
		{"github.com/dep/d/a.star: github.com/fork/f/sub/a.star", "github.com/dep/d/a.star", "f sub v1"},
		{"GitHub.com/dep/d/: github.com/fork/f", "github.com/dep/d/a.star", "f"},
		{"github.com/dep/d: https://git.example.com/o/r.git", "github.com/dep/d/a.star", "by URL"},
		{"github.com/dep/d: ssh://git@git.example.com:2222/o/r", "github.com/dep/d/a.star", "by URL"},
		{"github.com/dep/d: git.example.com/o/r@main", "github.com/dep/d/a.star", "by URL"},
	} {
		opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText + "replace:\n  " + c.replace + "\n", "main.star": ""}))
		if got := read(t, opened, c.locator); got != c.want {
			t.Errorf("%s: %s: %q; want %q", c.replace, c.locator, got, c.want)
		}
	}
}

func TestRenamedRepository(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/new/name", map[string]string{"kurtosis.yml": "name: github.com/new/name\n", "main.star": ""})
	// The host leads from the old name to the new one, as GitHub does.
	h.t.Setenv("GIT_CONFIG_COUNT", "3")
	h.t.Setenv("GIT_CONFIG_KEY_2", "url."+h.root+"/github.com/new/name.git.insteadOf")
	h.t.Setenv("GIT_CONFIG_VALUE_2", "https://github.com/old/name.git")
	_, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "github.com/old/name", "")
	if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), `name is "github.com/new/name" but the file lies at "github.com/old/name"`) || !strings.Contains(err.Error(), `use "github.com/new/name"`) {
		t.Error(err)
	}
}
