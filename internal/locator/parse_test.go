package locator

import (
	"errors"
	"path"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"github.com/o/r":                        {repository: "github.com/o/r"},
		"GitHub.com/o/r/":                       {repository: "github.com/o/r"},
		"github.com/o/r/dir/main.star":          {repository: "github.com/o/r", path: "dir/main.star"},
		"github.com/o/r//dir/./x/../main.star":  {repository: "github.com/o/r", path: "dir/main.star"},
		"github.com/o/r/main.star@1.2.3":        {repository: "github.com/o/r", path: "main.star", version: "1.2.3"},
		"github.com/o/r@1.2.3/main.star":        {repository: "github.com/o/r", path: "main.star", version: "1.2.3"},
		"github.com/o/r@feat/x":                 {repository: "github.com/o/r", version: "feat/x"},
		"github.com/o/r@release/1.0":            {repository: "github.com/o/r", version: "release/1.0"},
		"github.com/o/r.git/x":                  {repository: "github.com/o/r", path: "x"},
		"github.com/o/r/x.git/y":                {repository: "github.com/o/r", path: "x.git/y"},
		"github.com/o/r/a file.txt":             {repository: "github.com/o/r", path: "a file.txt"},
		"gitlab.com/group/sub/repo.git/dir@v1":  {repository: "gitlab.com/group/sub/repo", path: "dir", version: "v1"},
		"git.example.com/repo.git/dir":          {repository: "git.example.com/repo", path: "dir"},
		"dev.azure.com/org/project/_git/repo/d": {repository: "dev.azure.com/org/project/_git/repo", path: "d"},
		"git.example.com:8443/o/r/x.star":       {repository: "git.example.com:8443/o/r", path: "x.star"},
		"127.0.0.1:8443/o/r":                    {repository: "127.0.0.1:8443/o/r"},
		"localhost:8443/o/r":                    {repository: "localhost:8443/o/r"},
		"github.com/o/r@0123456789abcdef":       {repository: "github.com/o/r", version: "0123456789abcdef"},
	} {
		got, err := parseAddress(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "/", "github.com", "github.com/o", "github.com//r", "https://github.com/o/r", "github.com/o/r@", "github.com/o/r@-x",
		"github.com/o/r@a..b", "github.com/o/r/../..", "github.com/o/../../x", "github.com/../r", "nohost/o/r", "github.com/-o/r",
		"github.com/o/r\x00", "github.com/o x/r", "github.com/o/r@v1@v2", "github.com/o/r@v/../../../a/b/x.star", "github.com/o/r@.", "github.com/o/r@.b/c",
		"github.com/o/r@.b/c", "github.com/o/r@a/", "github.com/o/r@x.lock", "github.com/o/r@a b", "github.com/o/...git", "host.example.com/o/..git", "host.example.com/...git",
		"github.com/o/.git", "localhost/o/r", "github.com/o/r\x7f", "github.com/o/r/\xff",
	} {
		if got, err := parseAddress(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %+v, %v; want a syntax error", text, got, err)
		}
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"https://github.com/o/r/dir@v1":               {repository: "github.com/o/r", path: "dir", version: "v1", url: "https://github.com/o/r.git"},
		"https://user:pw@git.example.com/o/r":         {repository: "git.example.com/o/r", url: "https://user:pw@git.example.com/o/r.git"},
		"https://user:p@w@git.example.com/o/r":        {repository: "git.example.com/o/r", url: "https://user:p@w@git.example.com/o/r.git"},
		"https://git.example.com:8443/o/r":            {repository: "git.example.com:8443/o/r", url: "https://git.example.com:8443/o/r.git"},
		"https://host.example.com/g/s/repo.git/dir@v": {repository: "host.example.com/g/s/repo", path: "dir", version: "v", url: "https://host.example.com/g/s/repo.git"},
		"https://dev.azure.com/o/p/_git/r":            {repository: "dev.azure.com/o/p/_git/r", url: "https://dev.azure.com/o/p/_git/r"},
		"git@github.com:o/r@v1":                       {repository: "github.com/o/r", version: "v1", url: "git@github.com:o/r.git"},
		"git@host.example.com:g/s/r.git/d":            {repository: "host.example.com/g/s/r", path: "d", url: "git@host.example.com:g/s/r.git"},
		"ssh://git@git.example.com:2222/o/r.git":      {repository: "git.example.com/o/r", url: "ssh://git@git.example.com:2222/o/r.git"},
	} {
		got, ok, err := parseURL(text)
		if !ok || err != nil || got != want {
			t.Errorf("%s: %+v, %v, %v; want %+v", text, got, ok, err, want)
		}
	}
	for _, text := range []string{"github.com/o/r", "http://github.com/o/r", "./git@host:x", "file:///etc"} {
		if _, ok, _ := parseURL(text); ok {
			t.Errorf("%s is no URL of git", text)
		}
	}
	for _, text := range []string{"https://", "https:///o/r", "https://host/o/r", "ssh://git@host/o/r", "git@work:o/r", "https://github.com", "https://github.com/o/r@", "ssh://-oProxyCommand=x/o/r", "ssh://git@-host.com/o/r"} {
		if got, ok, err := parseURL(text); !ok || !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %+v, %v, %v; want a syntax error", text, got, ok, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{
		"github.com/o/r", "github.com/o/r/x@v1", "github.com/o/r@v1/x.star", "gitlab.com/a/b/c.git/d", "git@h.example.com:o/r", "https://h.example.com/o/r", "github.com/o/r@release/1.0",
		"ssh://git@h.example.com:22/a/b.git/c@v", "https://u:p@h.example.com:1/a.git", "dev.azure.com/o/p/_git/r/x", "h.example.com/a/...git/x", "1.2.3.4:5/a/b/c.git", "h.example.com/r.git.git",
		"h.example.com/a/b/_git/c", "github.com/o/r.git.git", "h.example.com/a.git/b.git/c",
		"0.A0/0@0/0/@.A", // a path behind the version that holds an "@" itself
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, isURL, err := parseURL(text)
		if !isURL {
			parsed, err = parseAddress(text)
		}
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, inside := range []string{parsed.repository, parsed.path} {
			if inside != "" && (inside != path.Clean(inside) || climbs(inside) || path.IsAbs(inside)) {
				t.Errorf("%q leads out of its folder: %+v", text, parsed)
			}
		}
		if clone := parsed.cloneURL(); strings.HasPrefix(clone, "-") || !isURL && !strings.HasPrefix(clone, "https://") {
			t.Errorf("%q: git would be called with %q", text, clone)
		}
		want := parsed
		want.url = ""
		if again, err := parseAddress(parsed.String()); err != nil || again != want {
			t.Errorf("%q: %+v is written %q, which is %+v, %v", text, parsed, parsed.String(), again, err)
		}
		if err := checkLockedLocator(parsed.whole().String()); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
