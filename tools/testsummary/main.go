// Command testsummary adds up runs of `go test -json` and says what failed, what was skipped and how many there were.
//
// It counts what Go's test runner counts: every test and subtest once for each run. A package that fails without a
// failing test (it does not build, or a test ended the process) counts as one failure, so that nothing goes missing.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
}

// result is the end of one test, or of a package that failed on its own account.
type result struct{ run, name, outcome string }

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testsummary STARTED FILE...   (STARTED: Unix time, files of go test -json)")
		os.Exit(2)
	}
	var seconds int64
	if _, err := fmt.Sscan(os.Args[1], &seconds); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary: the first argument is when the tests started, in seconds of Unix time:", err)
		os.Exit(2)
	}
	var all []result
	for _, path := range os.Args[2:] {
		found, err := read(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, "testsummary:", err)
			os.Exit(1)
		}
		all = append(all, found...)
	}
	if failed := report(os.Stdout, all, time.Since(time.Unix(seconds, 0))); failed {
		os.Exit(1)
	}
}

// read collects the results in one file, whose name is the run's.
func read(path string) ([]result, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read a run: %w", err)
	}
	defer func() { _ = file.Close() }()
	run := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return collect(run, file), nil
}

// collect reads the events of one run.
func collect(run string, events io.Reader) []result {
	var all []result
	failures := map[string]int{}  // failed tests by package
	var failedPackages []string   // in order of appearance
	pending := map[string]event{} // tests that have begun and not ended
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			break
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			continue // The go command mixes its own messages in.
		}
		switch {
		case e.Test == "" && e.Action == "fail":
			failedPackages = append(failedPackages, e.Package)
		case e.Test == "":
		case e.Action == "run":
			pending[e.Package+" "+e.Test] = e
		case e.Action == "pass", e.Action == "fail", e.Action == "skip":
			delete(pending, e.Package+" "+e.Test)
			all = append(all, result{run: run, name: e.Package + " " + e.Test, outcome: e.Action})
			if e.Action == "fail" {
				failures[e.Package]++
			}
		}
	}
	// A test that never ended was cut off with its process: by a panic elsewhere, a deadline or a signal.
	for name, e := range pending {
		all = append(all, result{run: run, name: name + " (never ended)", outcome: "fail"})
		failures[e.Package]++
	}
	for _, name := range failedPackages {
		if failures[name] == 0 {
			all = append(all, result{run: run, name: name + " (the package)", outcome: "fail"})
		}
	}
	return all
}

// report prints the summary and returns whether anything failed. Running nothing at all is a failure too.
func report(out io.Writer, all []result, took time.Duration) bool {
	slices.SortStableFunc(all, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.name, b.name))
	})
	count := map[string]int{}
	for _, r := range all {
		count[r.outcome]++
	}
	for _, outcome := range []string{"skip", "fail"} {
		for _, r := range all {
			if r.outcome == outcome {
				_, _ = fmt.Fprintf(out, "%s: %s: %s\n", strings.ToUpper(outcome), r.run, r.name)
			}
		}
	}
	_, _ = fmt.Fprintf(out, "%d tests in %s\n", len(all), took.Round(time.Second))
	_, _ = fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", count["pass"], count["fail"], count["skip"])
	return count["fail"] > 0 || count["pass"] == 0
}
