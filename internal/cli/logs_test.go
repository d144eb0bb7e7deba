package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestLogs(t *testing.T) {
	w := newWorld(t, memory.Hooks{Logs: func(_, service string) string { return service + " one\ntwo\nthree\n" }})
	w.ok("run", webshop(t), "--enclave", "dev")
	if output := w.ok("logs", "dev", "db"); output != "db one\ntwo\nthree\n" {
		t.Errorf("%q", output)
	}
	if output := w.ok("logs", "dev", "db", "--tail", "2", "--since", "5m"); output != "two\nthree\n" {
		t.Errorf("%q", output)
	}
	w.fails(ExitFailure, []string{"logs", "dev", "dbb"}, `"dbb"`, "not found", `did you mean "db"?`, "db, web")
	w.fails(ExitFailure, []string{"logs", "def", "db"}, `did you mean "dev"?`, "sundog enclave ls")
	w.fails(ExitUsage, []string{"logs", "dev", "db", "--tail", "0"}, "--tail")
	w.fails(ExitUsage, []string{"logs", "dev", "db", "--since", "yesterday"}, "yesterday")
}

func TestSince(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{"": {}, "90m": now.Add(-90 * time.Minute), "2029-01-01T00:00:00Z": time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
	if _, err := parseSince("-5m", now); ExitCode(err) != ExitUsage {
		t.Error(err)
	}
}

func TestLogsOfSeveralServices(t *testing.T) {
	w := newWorld(t, memory.Hooks{Logs: func(_, service string) string { return service + " one\n" + service + " two\n" }})
	w.ok("run", webshop(t), "--enclave", "dev")
	// The database was started first, so its lines are older.
	want := "db  | db one\ndb  | db two\nweb | web one\nweb | web two\n"
	if output := w.ok("logs", "dev"); output != want {
		t.Errorf("%q", output)
	}
	if output := w.ok("logs", "dev", "web", "db"); output != want {
		t.Errorf("%q", output)
	}
	if output := w.ok("logs", "dev", "--no-prefix", "--tail", "1"); output != "db two\nweb two\n" {
		t.Errorf("%q", output)
	}
	line, _, _ := strings.Cut(w.ok("logs", "dev", "db", "-t"), " ")
	if at, err := time.Parse(time.RFC3339Nano, line); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("%q: %v", line, err)
	}
	first, _, _ := strings.Cut(w.ok("logs", "dev", "db", "--format", "json"), "\n")
	if document := decodeInto[logLine](t, first); document.Service != "db" || document.Line != "db one" || document.Time == nil {
		t.Errorf("%+v", document)
	}
}

func TestLogsAreFollowedThroughReplacements(t *testing.T) {
	w := newWorld(t, memory.Hooks{Logs: func(_, service string) string { return service + " writes\n" }})
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev")
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	var out, notices notebook
	root := newRoot("1.2.3", w.tools)
	root.SetOut(&out)
	root.SetErr(&notices)
	root.SetArgs([]string{"logs", "dev", "web", "-f"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	out.await(t, "web writes\n", 1)
	w.ok("run", folder, "--enclave", "dev", "--args", `{"tag": "two"}`)
	notices.await(t, `Service "web" was started again.`, 1)
	out.await(t, "web writes\n", 2)
	w.backend.Vanish("dev", "web")
	notices.await(t, `Service "web" was removed; waiting for it to come back.`, 1)
	w.ok("run", folder, "--enclave", "dev", "--args", `{"tag": "two"}`)
	out.await(t, "web writes\n", 3)
	w.ok("enclave", "rm", "dev")
	if err := <-ended; err != nil || ctx.Err() != nil {
		t.Errorf("it ends with the enclave: %v", err)
	}
	notices.await(t, `The enclave "dev" is gone.`, 1)
}

func TestAllLogsAreFollowedAlsoOfNewServices(t *testing.T) {
	w := newWorld(t, memory.Hooks{Logs: func(_, service string) string { return service + " writes\n" }})
	w.ok("run", webshop(t), "--enclave", "dev")
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	var out notebook
	root := newRoot("1.2.3", w.tools)
	root.SetOut(&out)
	root.SetErr(&notebook{})
	root.SetArgs([]string{"logs", "dev", "-f"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	out.await(t, "web | web writes\n", 1)
	w.ok("run", writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/more\n", "main.star": `def run(plan):
    plan.add_service("more", ServiceConfig(image="test/service:1"))
`}), "--enclave", "dev")
	out.await(t, "more | more writes\n", 1)
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("an interruption is how it ends: %v", err)
	}
}

// A log goes on from where the process before ended, and not from when an engine says that the next one started, as that has
// written its first lines by then.
func TestLogsBeginWhereTheOneBeforeEnded(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	before, after := start.Add(-3*time.Second), start.Add(time.Minute)
	for what, item := range map[string]struct {
		current     enclave.Service
		ended, want time.Time
	}{
		"its end was seen":              {enclave.Service{StartedAt: start, EndedAt: after}, before, before},
		"the engine remembers its end":  {enclave.Service{StartedAt: start, EndedAt: before}, time.Time{}, before},
		"nothing is kept of the one":    {enclave.Service{StartedAt: start}, time.Time{}, time.Time{}},
		"the present one has ended too": {enclave.Service{StartedAt: start, EndedAt: after}, time.Time{}, start.Add(-time.Second)},
	} {
		if got := beginOf(&item.current, item.ended); !got.Equal(item.want) {
			t.Errorf("%s: from %s, want %s", what, got, item.want)
		}
	}
}
