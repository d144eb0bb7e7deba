package session

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// eventWriter appends progress as JSON lines, one file for each run and each fork, so that `tail -f` shows what an apply
// is doing: the protocol itself has no way to tell. Progress must never fail or slow an apply, so errors are dropped.
type eventWriter struct {
	folder  string
	secrets value.Secrets
	lock    sync.Mutex
}

func (w *eventWriter) path(group, name string) string {
	return filepath.Join(w.folder, safe(group), safe(name)+".jsonl")
}

// safe makes a file name out of a run's name, which may have a slash.
func safe(name string) string { return strings.ReplaceAll(name, "/", "-") }

func (w *eventWriter) write(group, name string, event any) {
	if w.folder == "" || group == "" || name == "" {
		return
	}
	line, err := json.Marshal(event)
	if err != nil {
		return
	}
	text := w.secrets.Mask(string(line)) + "\n"
	w.lock.Lock()
	defer w.lock.Unlock()
	file := w.path(group, name)
	if os.MkdirAll(filepath.Dir(file), 0o750) != nil {
		return
	}
	opened, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = opened.Close() }()
	_, _ = opened.WriteString(text)
}
