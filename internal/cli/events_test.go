package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

const (
	shopEvents = `{"time":"2030-01-02T03:04:05Z","enclave":"dev","run":"shop","step":"start","object":"web","status":"started"}
{"time":"2030-01-02T03:04:07.5Z","enclave":"dev","run":"shop","step":"start","object":"web","status":"failed","message":"it exited\nwith 3"}
no event
`
	forkEvents = `{"time":"2030-01-02T03:04:06Z","fork":"staging","step":"create","object":"sqs/orders","status":"done"}
`
)

func TestEvents(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := writeFiles(t, map[string]string{"dev/shop.jsonl": shopEvents, "fork/staging.jsonl": forkEvents, "notes.txt": "{}"})
	lines := strings.Split(strings.TrimSpace(w.ok("events", folder)), "\n")
	if len(lines) != 3 {
		t.Fatalf("%q", lines)
	}
	for i, want := range []string{"  dev/shop  start web ...", "  fork/staging  create sqs/orders done", "  dev/shop  start web failed (2.5s): it exited [...]"} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d is %q, want %q at its end", i+1, lines[i], want)
		}
	}
	if output := w.ok("events", folder, "--format", "json", "--tail", "2"); output != forkEvents+strings.Split(shopEvents, "\n")[1]+"\n" {
		t.Errorf("the lines as they are: %s", output)
	}
	if output := w.ok("events", folder, "--since", "2030-01-02T03:04:07Z"); strings.Count(output, "\n") != 1 {
		t.Errorf("%s", output)
	}
	t.Setenv("SUNDOG_EVENT_DIR", folder)
	if output := w.ok("events", "--tail", "1"); !strings.Contains(output, "failed (2.5s)") {
		t.Errorf("%s", output)
	}
	t.Setenv("SUNDOG_EVENT_DIR", "")
	t.Setenv("TF_DATA_DIR", "")
	t.Chdir(t.TempDir())
	w.fails(ExitFailure, []string{"events"}, filepath.Join(".terraform", "sundog", "events"), "SUNDOG_EVENT_DIR")
	w.fails(ExitUsage, []string{"events", "--tail", "-1"}, "--tail")
}

func TestEventsAreFollowed(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := filepath.Join(t.TempDir(), "events")
	ctx, interrupt := context.WithTimeout(t.Context(), 30*time.Second)
	defer interrupt()
	reader, writer := io.Pipe()
	root := newRoot("1.2.3", w.tools)
	root.SetOut(writer)
	root.SetArgs([]string{"events", "-f", folder, "--format", "json"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	// An apply makes the folder, and a line may be seen while it is being written.
	file := filepath.Join(folder, "dev", "shop.jsonl")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(shopEvents, "\n")
	output := bufio.NewReader(reader)
	for _, parts := range [][]string{{first + "\n"}, {forkEvents[:40], forkEvents[40:]}} {
		for _, part := range parts {
			appendTo(t, file, part)
			time.Sleep(2 * eventInterval)
		}
		line, err := output.ReadString('\n')
		if err != nil || line != strings.Join(parts, "") {
			t.Fatalf("%q: %v", line, err)
		}
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("an interruption is how it ends: %v", err)
	}
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
