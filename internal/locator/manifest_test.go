package locator

import (
	"errors"
	"strings"
	"testing"
)

func TestManifest(t *testing.T) {
	t.Parallel()
	parsed, err := parseManifest([]byte("name: github.com/o/r/sub\ndescription: |\n  text\nreplace:\n  github.com/a/b: ../b\n  github.com/c/d: github.com/c/e@v1\n"), "kurtosis.yml")
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Name != "github.com/o/r/sub" || parsed.Description != "text\n" || len(parsed.Replace) != 2 {
		t.Errorf("parsed %+v", parsed)
	}
}

func TestManifestErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "the file is empty",
		"name: \"\"":                       "kurtosis.yml:1: name is missing",
		"description: x":                   "name is missing",
		"\nname: github.com/o":             "kurtosis.yml:2: name: malformed locator",
		"name: github.com/o/r/":            "must not end in a slash",
		"name: github.com/o/r@v1":          "must not hold a version",
		"name: github.com/o/r\nversion: 1": "line 2: field version not found (known keys: name, description, replace)",
		"name: github.com/o/r\nname: github.com/o/r":                               "already defined at line 1",
		"name: github.com/o/r\nreplace:\n  github.com/a/b: x\n  github.com/a/b: y": "already defined",
		"name: github.com/o/r\nreplace:\n  nonsense: ../x":                         "kurtosis.yml:3: replace: malformed locator",
		"name: github.com/o/r\nreplace:\n  github.com/a/b: \"\"":                   "is empty",
		"name: github.com/o/r\nreplace:\n  github.com/a/b@v1: ../x":                "must not hold a version",
		"name: [a]": "cannot unmarshal !!seq as a string",
		"- a":       "cannot unmarshal",
		"name: github.com/o/r\n---\nname: github.com/o/r": "a single document",
		"name: \"a\tb: [": "kurtosis.yml",
	} {
		_, err := parseManifest([]byte(text), "kurtosis.yml")
		if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		} else if strings.Contains(err.Error(), "locator.manifest") || strings.Contains(err.Error(), "map[string]") {
			t.Errorf("%q: a Go type name in %q", text, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	for _, seed := range []string{"name: github.com/o/r\n", "name: github.com/o/r\nreplace: {github.com/a/b: ../x}\n", "a: &a [*a]", "{"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parseManifest(text, "kurtosis.yml")
		if err != nil && !errors.Is(err, ErrManifest) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && parsed.Name == "" {
			t.Errorf("%q: no name", text)
		}
	})
}
