package locator

import (
	"errors"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"github.com/o/r":                       {repository: "github.com/o/r"},
		"GitHub.com/o/r/":                      {repository: "github.com/o/r"},
		"github.com/o/r/dir/main.star":         {repository: "github.com/o/r", path: "dir/main.star"},
		"github.com/o/r//dir/./x/../main.star": {repository: "github.com/o/r", path: "dir/main.star"},
		"github.com/o/r/main.star@1.2.3":       {repository: "github.com/o/r", path: "main.star", version: "1.2.3"},
		"github.com/o/r@1.2.3/main.star":       {repository: "github.com/o/r", path: "main.star", version: "1.2.3"},
		"github.com/o/r@feat/x":                {repository: "github.com/o/r", version: "feat/x"},
		"github.com/o/r@release/1.0":           {repository: "github.com/o/r", version: "release/1.0"},
		"gitlab.com/group/sub/repo.git/dir@v1": {repository: "gitlab.com/group/sub/repo", path: "dir", version: "v1"},
		"git.example.com:8443/o/r/x.star":      {repository: "git.example.com:8443/o/r", path: "x.star"},
		"github.com/o/r@0123456789abcdef":      {repository: "github.com/o/r", version: "0123456789abcdef"},
	} {
		got, err := parseAddress(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "/", "github.com", "github.com/o", "github.com//r", "https://github.com/o/r", "github.com/o/r@", "github.com/o/r@-x",
		"github.com/o/r@a..b", "github.com/o/r/../..", "github.com/o/../../x", "github.com/../r", "nohost/o/r", "github.com/-o/r",
		"github.com/o/r\x00", "github.com/o/r x", "github.com/o/r@v1@v2",
	} {
		if got, err := parseAddress(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %+v, %v; want a syntax error", text, got, err)
		}
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"https://github.com/o/r/dir@v1":          {repository: "github.com/o/r", path: "dir", version: "v1", url: "https://github.com/o/r.git"},
		"https://user:pw@git.example.com/o/r":    {repository: "git.example.com/o/r", url: "https://user:pw@git.example.com/o/r.git"},
		"git@github.com:o/r@v1":                  {repository: "github.com/o/r", version: "v1", url: "git@github.com:o/r.git"},
		"ssh://git@git.example.com:2222/o/r.git": {repository: "git.example.com/o/r", url: "ssh://git@git.example.com:2222/o/r.git"},
	} {
		got, ok, err := parseURL(text)
		if !ok || err != nil || got != want {
			t.Errorf("%s: %+v, %v, %v; want %+v", text, got, ok, err, want)
		}
	}
	if _, ok, _ := parseURL("github.com/o/r"); ok {
		t.Error("a locator without scheme is no URL")
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"github.com/o/r", "github.com/o/r/x@v1", "github.com/o/r@v1/x.star", "gitlab.com/a/b/c.git/d", "git@h:o/r", "https://h.x/o/r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseAddress(text)
		if err != nil {
			return
		}
		again, err := parseAddress(parsed.String())
		if err != nil {
			// A repository below more than two folders is marked by ".git", which the parsed form no longer shows; a path may
			// end like a version's file.
			return
		}
		if climbs(again.path) || climbs(parsed.path) {
			t.Errorf("%q leads out of the repository: %+v", text, parsed)
		}
		if _, _, err := parseURL(text); err != nil && !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
