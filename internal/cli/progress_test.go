package cli

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// screen is what is seen on a terminal, with its keyboard.
type screen struct {
	notebook
	keyboard io.Writer
}

func (s *screen) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(s.keyboard, keys); err != nil {
		t.Fatal(err)
	}
}

// terminalPair gives a terminal and what is seen on it.
func terminalPair(t *testing.T, width, height uint16) (*os.File, *screen) {
	t.Helper()
	mine, theirs, err := pty.Open()
	if err != nil {
		t.Skip("this system gives no pseudo-terminal:", err)
	}
	t.Cleanup(func() {
		_ = theirs.Close()
		_ = mine.Close()
	})
	if err := pty.Setsize(mine, &pty.Winsize{Cols: width, Rows: height}); err != nil {
		t.Fatal(err)
	}
	seen := &screen{keyboard: mine}
	go func() { _, _ = io.Copy(seen, mine) }()
	return theirs, seen
}

var escapes = regexp.MustCompile("\x1b\\[[0-9]*[A-Za-z]")

func TestLiveProgress(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	terminal, seen := terminalPair(t, 60, 24)
	told := (&reportFlags{progress: "auto"}).teller(terminal)
	begun := time.Now()
	event := func(step, object, status, message string, after time.Duration) {
		told.tell(engine.Event{Time: begun.Add(after), Step: step, Object: object, Status: status, Message: message})
	}
	event("apply", "shop", "started", "", 0)
	event("lock", "shop", "started", "held by ann", 0)
	seen.await(t, `waiting for the run "shop" `, 1)
	event("lock", "shop", "done", "", time.Second)
	event("start", "web", "started", strings.Repeat("long ", 40), time.Second)
	event("start", "db", "started", "", time.Second)
	event("build", "shop/api", "started", "", time.Second)
	event("build", "shop/api", "progress", "RUN make", time.Second)
	seen.await(t, "RUN make", 1)
	event("build", "shop/api", "done", "", 2*time.Second)
	event("start", "web", "failed", "it exited\nwith 3", 3500*time.Millisecond)
	event("start", "db", "done", "", 2*time.Second)
	told.close()
	told.tell(engine.Event{Step: "late", Status: "done"})
	seen.await(t, "\x1b[32m✓\x1b[0m start db", 1)
	text := escapes.ReplaceAllString(seen.String(), "")
	contains(t, text, "✗ start web 2.5s: it exited [...]\r\n", "✓ start db 1.0s\r\n", "✓ build shop/api 1.0s\r\n", "✓ lock shop 1.0s: held by ann\r\n")
	if strings.Contains(text, "late") || strings.Contains(text, "apply") {
		t.Errorf("%q", text)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len([]rune(strings.TrimRight(line, "\r"))) > 60 {
			t.Errorf("a line that wraps is two to erase: %q", line)
		}
	}
}

func TestProgressWithoutColours(t *testing.T) {
	t.Setenv("TERM", "xterm")
	terminal, seen := terminalPair(t, 80, 24)
	told := (&reportFlags{progress: "tty", noColour: true}).teller(terminal)
	told.tell(engine.Event{Time: time.Now(), Step: "start", Object: "db", Status: "done"})
	told.close()
	seen.await(t, "✓ start db", 1)
	if strings.Contains(seen.String(), "\x1b[3") {
		t.Errorf("%q", seen.String())
	}
	t.Setenv("NO_COLOR", "1")
	if colours(terminal, false) {
		t.Error("NO_COLOR refuses colours")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if _, plain := (&reportFlags{progress: "auto"}).teller(terminal).(*progress); !plain || colours(terminal, false) {
		t.Error("a terminal that knows nothing gets plain lines")
	}
}

func TestRunsOfThisCommandShowAsEvents(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	t.Chdir(t.TempDir())
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev", "--quiet")
	w.ok("enclave", "stop", "dev")
	contains(t, w.ok("events"), "dev/shop  apply shop ...", "create web", "(main.star:4:21)", "exec web#1 done", "apply shop done", ": 2 services (create 2)", "stop web done")
	contains(t, w.ok("events", "--enclave", "dev", "--run", "shop", "--tail", "1"), "stop ")
	if output := w.ok("events", "--enclave", "other"); output != "" {
		t.Errorf("%s", output)
	}
	summaries := decodeInto[[]runSummary](t, w.ok("events", "--runs", "--format", "json"))
	if len(summaries) != 1 || summaries[0].Run != "shop" || summaries[0].Status != "done" || summaries[0].EndedAt == nil || summaries[0].Message != "2 services (create 2)" {
		t.Errorf("%+v", summaries)
	}
	contains(t, w.ok("events", "--runs"), "STARTED", "dev/shop", "done", "2 services (create 2)")
	own := t.TempDir()
	w.ok("enclave", "start", "dev", "--event-dir", own)
	contains(t, w.ok("events", own), "start web done")
	if output := w.ok("events", own, "--remove-older", "1h"); output != "" {
		t.Errorf("it is not old: %s", output)
	}
	w.clock = w.clock.Add(2 * time.Hour)
	contains(t, w.ok("events", own, "--remove-older", "1h"), "removed "+own)
	w.fails(ExitUsage, []string{"run", folder, "--enclave", "dev", "--progress", "loud"}, "--progress")
	w.fails(ExitUsage, []string{"run", folder, "--enclave", "dev", "--lock-timeout", "-1s"}, "--lock-timeout")
}

func TestCompletionOfEverything(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.ok("run", webshop(t), "--enclave", "dev")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"logs", "dev", "db", ""}, "web\n"},
		{[]string{"shell", "dev", ""}, "db\nweb\n"},
		{[]string{"exec", "dev", ""}, "db\nweb\n"},
		{[]string{"port", "dev", "web", ""}, "http\t8080/tcp\n"},
		{[]string{"forward", "memory/dev", "web", ""}, "http\t8080/tcp\n"},
		{[]string{"files", "get", "dev", ""}, "config\n"},
		{[]string{"enclave", "rm", ""}, "dev\n"},
		{[]string{"clean", ""}, "dev\n"},
		{[]string{"run", "--format", ""}, "text\njson\n"},
		{[]string{"run", "--image-download", ""}, "missing\nalways\nnever\n"},
		{[]string{"run", "--enclave", ""}, "dev\n"},
		{[]string{"run", "--progress", ""}, "auto\nplain\ntty\n"},
	} {
		output := w.ok(append([]string{"__complete"}, test.args...)...)
		if !strings.HasPrefix(output, test.want) {
			t.Errorf("%v gives %q, want %q", test.args, output, test.want)
		}
	}
	if output := w.ok("__complete", "logs", "dev", "db", ""); strings.Contains(output, "db\n") {
		t.Errorf("each service once: %s", output)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		contains(t, w.ok("completion", shell), "sundog")
	}
}
