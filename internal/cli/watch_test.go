package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

// notebook is an output that may be read while it is written.
type notebook struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (n *notebook) Write(data []byte) (int, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.text.Write(data)
}

func (n *notebook) String() string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.text.String()
}

// await waits until a text has been written a number of times.
func (n *notebook) await(t *testing.T, text string, times int) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); strings.Count(n.String(), text) < times; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q was not written %d times:\n%s", text, times, n)
		}
	}
}

func rewrite(t *testing.T, file, before, after string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(content), before, after, 1)
	if changed == string(content) {
		t.Fatalf("%q is not in %s", before, file)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin starts the command beside the test; the function that it gives interrupts it and gives its error.
func (w *world) begin(args ...string) (out, notices *notebook, end func() error) {
	w.Helper()
	ctx, interrupt := context.WithTimeout(w.Context(), 2*time.Minute)
	w.Cleanup(interrupt)
	out, notices = &notebook{}, &notebook{}
	root := newRoot("1.2.3", w.tools)
	root.SetOut(out)
	root.SetErr(notices)
	root.SetArgs(args)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	return out, notices, sync.OnceValue(func() error {
		interrupt()
		return <-ended
	})
}

func TestWatchRunsAgainAfterChanges(t *testing.T) {
	w := newWorld(t, memory.Hooks{Exec: func(ctx context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
		if request.Command[1] == "forever" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &enclave.ExecResult{}, nil
	}})
	folder := webshop(t)
	file := filepath.Join(folder, "main.star")
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	root := newRoot("1.2.3", w.tools)
	var notices notebook
	root.SetOut(&notices)
	root.SetErr(&notices)
	root.SetArgs([]string{"watch", folder, "--enclave", "dev"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()

	notices.await(t, "Watching for changes", 1)
	before := len(w.backend.Changes())
	rewrite(t, file, `tag="one"`, `tag="two"`)
	notices.await(t, "main.star changed", 1)
	notices.await(t, "migrated two", 1)
	notices.await(t, "Watching for changes", 2)
	if changes := strings.Join(w.backend.Changes()[before:], ", "); changes != "CreateService dev/web, StartService dev/web" {
		t.Errorf("only what changed is touched: %s", changes)
	}
	// What the package does not use neither starts nor interrupts a run.
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	notices.await(t, "changes nothing that the package asks for", 1)
	rewrite(t, file, "def run(", "def run)(")
	notices.await(t, "Error:", 1)
	notices.await(t, "Watching for changes", 3)
	// A run that hangs is interrupted by the change that mends it.
	rewrite(t, file, "def run)(", "def run(")
	notices.await(t, "Watching for changes", 4)
	rewrite(t, file, `tag="two"`, `tag="forever"`)
	notices.await(t, "start web done", 3)
	rewrite(t, file, `tag="forever"`, `tag="three"`)
	notices.await(t, "migrated three", 1)
	notices.await(t, "Watching for changes", 5)
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("an interruption is how it ends: %v", err)
	}
	if !w.exists("dev") {
		t.Error("the enclave stays")
	}
}

func TestWatchRefusesWhatCannotBeWatched(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.fails(ExitUsage, []string{"watch", "github.com/owner/repository", "--enclave", "dev"}, "only a folder")
	w.fails(ExitUsage, []string{"watch", webshop(t), "--enclave", "dev", "--args-file", "-"}, "standard input")
	w.fails(ExitUsage, []string{"watch", webshop(t), "--enclave", "Dev"}, "lower-case")
}

func TestWatchedFiles(t *testing.T) {
	folder := writeFiles(t, map[string]string{"main.star": "a", "src/x": "b", ".git/index": "c", ".terraform/events": "d"})
	seen := lookAt([]string{folder, filepath.Join(folder, "missing")})
	if len(seen) != 2 {
		t.Errorf("%v", seen)
	}
	if err := os.Remove(filepath.Join(folder, "src", "x")); err != nil {
		t.Fatal(err)
	}
	now := lookAt([]string{folder})
	if gone, come := seen.difference(now), now.difference(seen); !strings.HasSuffix(gone, "x") || gone != come || seen.difference(seen) != "" {
		t.Errorf("%q %q", gone, come)
	}
}
