package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	first  = "0123456789012345678901234567890123456789"
	second = "abcdefabcdefabcdefabcdefabcdefabcdefabcd"
)

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func line(fields ...string) string { return strings.Join(fields, "\t") + "\n" }

// TestTheList reads the list that is shipped, whose packages are many and of many.
func TestTheList(t *testing.T) {
	t.Parallel()
	list, err := readList("packages.tsv")
	if err != nil {
		t.Fatal(err)
	}
	packages, owners, planned := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, entry := range list {
		if entry.expectation.verdict != needed {
			packages[entry.locator], owners[entry.owner()] = true, true
		}
		if entry.expectation.verdict == "ok" {
			planned[entry.locator] = true
		}
	}
	if len(packages) < 40 || len(planned) < 40 || len(owners) < 20 {
		t.Errorf("%d packages, %d of them to be planned, of %d authors", len(packages), len(planned), len(owners))
	}
}

func TestMalformedLists(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"4 fields instead of 5":           line("github.com/a/b", first, "-", "ok"),
		"is no locator":                   line("a/b", first, "-", "ok", ""),
		"is no full commit":               line("github.com/a/b", "0123456", "-", "ok", ""),
		"is no expectation":               line("github.com/a/b", first, "-", "fine", ""),
		"says something after the colon":  line("github.com/a/b", first, "-", "refused", "rule"),
		"needs a note":                    line("github.com/a/b", first, "-", "refused: x", ""),
		"stands in the second field":      line("github.com/a/b@v1", first, "-", "ok", ""),
		"the arguments are no JSON":       line("github.com/a/b", first, "{a", "ok", ""),
		"github.com/a/b stands in the li": line("github.com/a/b", first, "-", "ok", "") + line("github.com/a/b/c", second, "-", "ok", ""),
	} {
		if _, err := readList(write(t, "list.tsv", text, 0o600)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %q, got %v", want, err)
		}
	}
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	list, err := readList(write(t, "list.tsv", "# for people\n\n"+line("github.com/a/b/x/y", first, "-", "ok", "")+line("github.com/a/b/z", first, "-", "ok", "")+
		line("github.com/a/b@v1/2", second, "-", "needed", ""), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	got := list.repositories()
	if len(got) != 2 || got[0] != (repository{"github.com/a/b", first}) || got[1] != (repository{"github.com/a/b@v1/2", second}) {
		t.Errorf("got %v", got)
	}
}

// TestRun asks a command that answers what its arguments say.
func TestRun(t *testing.T) {
	t.Parallel()
	const command = `#!/bin/sh
[ "$1 $2 $4 $6 $7" = "package plan --vendor --format json" ] || exit 2
case $3 in
*/good@*) echo '{"ok":true,"error":null,"services":{"a":{}},"instructions":[{},{}],"packages":[{"locator":"github.com/a/good@` + first + `","commit":"` + first + `"}]}' ;;
*/moved@*) echo '{"ok":true,"packages":[{"locator":"github.com/a/dependency","commit":"` + second + `"}]}' ;;
*/bad@*) echo '{"ok":false,"error":{"phase":"validation","message":"port id is wrong"}}'; exit 1 ;;
*/lies@*) echo '{"ok":true}'; exit 1 ;;
*/arguments/x@*) [ "$8 $9" = "--args-file $5/github.com/a/arguments/sub/args.yaml" ] && echo '{"ok":true}' ;;
*) echo 'panic: no' >&2; exit 2 ;;
esac
`
	r := runner{sundog: write(t, "sundog", command, 0o700), vendor: "vendor", commits: map[string]string{"github.com/a/good": first, "github.com/a/dependency": first}}
	for _, c := range []struct {
		locator, arguments string
		expectation        expectation
		verdict, problem   string
	}{
		{"github.com/a/good", "", expectation{verdict: "ok"}, "ok", ""},
		{"github.com/a/good", "", expectation{"refused", "x"}, "ok", "expected refused"},
		{"github.com/a/bad", "", expectation{"refused", "validation: port id"}, "refused", ""},
		{"github.com/a/bad", "", expectation{"refused", "another reason"}, "refused", `expected to be told "another reason": validation: port id is wrong`},
		{"github.com/a/bad", "", expectation{verdict: "ok"}, "refused", "expected ok: validation: port id is wrong"},
		{"github.com/a/lies", "", expectation{verdict: "ok"}, "ok", "exit status 1"},
		{"github.com/a/moved", "", expectation{verdict: "ok"}, "ok", "github.com/a/dependency was used at commit " + second},
		{"github.com/a/arguments/x", "sub/args.yaml", expectation{verdict: "ok"}, "ok", ""},
		{"github.com/a/broken", "", expectation{verdict: "ok"}, "failed", "panic: no"},
	} {
		got := r.run(t.Context(), entry{locator: c.locator, commit: first, arguments: c.arguments, expectation: c.expectation})
		if got.verdict != c.verdict || !strings.Contains(got.problem, c.problem) || (c.problem == "") != (got.problem == "") {
			t.Errorf("%s: got %q %q, want %q %q", c.locator, got.verdict, got.problem, c.verdict, c.problem)
		}
		if c.locator == "github.com/a/good" && (got.services != 1 || got.instructions != 2) {
			t.Errorf("%d services and %d instructions", got.services, got.instructions)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	good := result{entry: entry{locator: "github.com/a/good", commit: first, arguments: `{"a":"` + strings.Repeat("x", 99) + `"}`}, verdict: "ok", services: 3, instructions: 7, took: 12 * time.Millisecond}
	bad := result{entry: entry{locator: "github.com/b/bad", commit: second}, verdict: "refused", problem: "expected ok: why"}
	var out bytes.Buffer
	if !report(&out, []result{good}, time.Second) {
		t.Error("one package that is as expected is enough")
	}
	if report(&out, []result{good, bad}, time.Second) || report(&out, nil, time.Second) {
		t.Error("what is not as expected fails, and so does a list without packages")
	}
	for _, want := range []string{"012345678901  {", "…", " 3 ", " 7 ", " 12\n", "refused (UNEXPECTED)", "github.com/b/bad : expected ok: why", "2 runs of 2 packages of 2 authors in 1s\n1 ok, 0 refused as upstream's rules want it, 1 not as expected"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}
