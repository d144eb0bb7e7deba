package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// summarized gives what is printed for the events of one run, and whether it failed.
func summarized(t *testing.T, events ...string) (string, bool) {
	t.Helper()
	all := collect("unit", strings.NewReader(strings.Join(events, "\n")+"\n"))
	var out bytes.Buffer
	failed := report(&out, all, 90*time.Second)
	return out.String(), failed
}

func TestReport(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		events []string
		want   string
		failed bool
	}{
		"passed": {
			events: []string{
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: no, only text\n"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestA/sub"}`,
				`{"Action":"pass","Package":"p"}`,
				`{"Action":"skip","Package":"p/without/tests"}`,
			},
			want: "2 tests in 1m30s\n2 passed, 0 failed, 0 skipped\n",
		},
		"failed and skipped": {
			events: []string{
				`{"Action":"fail","Package":"p","Test":"TestB"}`,
				`{"Action":"skip","Package":"p","Test":"TestC"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			want:   "SKIP: unit: p TestC\nFAIL: unit: p TestB\n3 tests in 1m30s\n1 passed, 1 failed, 1 skipped\n",
			failed: true,
		},
		"a package that does not build": {
			events: []string{
				`{"ImportPath":"p","Action":"build-output","Output":"p.go:1: no"}`,
				`# p`,
				`{"Action":"fail","Package":"p","FailedBuild":"p"}`,
				`{"Action":"pass","Package":"q","Test":"TestA"}`,
			},
			want:   "FAIL: unit: p (the package)\n2 tests in 1m30s\n1 passed, 1 failed, 0 skipped\n",
			failed: true,
		},
		"a process that was killed": {
			events: []string{
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"run","Package":"p","Test":"TestB"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			want:   "FAIL: unit: p TestB (never ended)\n2 tests in 1m30s\n1 passed, 1 failed, 0 skipped\n",
			failed: true,
		},
		"nothing": {want: "0 tests in 1m30s\n0 passed, 0 failed, 0 skipped\n", failed: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, failed := summarized(t, c.events...)
			if got != c.want || failed != c.failed {
				t.Errorf("failed %v, want %v, printed\n%s\nwant\n%s", failed, c.failed, got, c.want)
			}
		})
	}
}
