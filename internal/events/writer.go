// Package events keeps the progress of runs and forks in files of JSON lines, one file for each of them, so that it can be
// followed while an apply runs: the protocol between a Terraform CLI and its providers has no way to tell. It knows nothing
// of what an event holds.
package events

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// Extension is that of all files of events.
	Extension = ".jsonl"
	// mostBytes is how large a file may get before another one is begun. The one before it is kept.
	mostBytes = 4 << 20
	// earlier stands in the name of the file that was full.
	earlier = ".1"
)

// Writer appends events to the files of one folder. Progress must never fail or slow an apply, so errors are dropped. It
// is safe for concurrent use, also by several processes.
type Writer struct {
	folder string
	mask   func(string) string
	most   int64
	mutex  sync.Mutex
}

// NewWriter makes a writer; without a folder it drops everything. Mask hides secrets in a line; nil hides nothing.
func NewWriter(folder string, mask func(string) string) *Writer {
	if mask == nil {
		mask = func(line string) string { return line }
	}
	return &Writer{folder: folder, mask: mask, most: mostBytes}
}

// Path is the file of a run in its enclave, or of a fork in the group "fork".
func (w *Writer) Path(group, name string) string {
	return filepath.Join(w.folder, safe(group), safe(name)+Extension)
}

// safe makes a file name out of a run's name, which may have a slash.
func safe(name string) string { return strings.ReplaceAll(name, "/", "-") }

// Write appends an event as one line.
func (w *Writer) Write(group, name string, event any) {
	if w.folder == "" || group == "" || name == "" {
		return
	}
	line, err := json.Marshal(event)
	if err != nil {
		return
	}
	text := w.mask(string(line)) + "\n"
	w.mutex.Lock()
	defer w.mutex.Unlock()
	file := w.Path(group, name)
	if os.MkdirAll(filepath.Dir(file), 0o750) != nil {
		return
	}
	w.rotate(file)
	opened, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = opened.Close() }()
	_, _ = opened.WriteString(text)
}

// rotate puts a full file aside.
func (w *Writer) rotate(file string) {
	if info, err := os.Stat(file); err == nil && info.Size() >= w.most {
		_ = os.Rename(file, strings.TrimSuffix(file, Extension)+earlier+Extension)
	}
}

// Prune removes the files of a folder of which nothing was written since a time, and the folders that are empty then. It
// gives what it removed. A folder that is not there has none.
func Prune(folder string, since time.Time) (removed []string, err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer root.Close() //nolint:errcheck // Nothing was written through it.
	var old []string
	err = fs.WalkDir(root.FS(), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(file) != Extension {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(since) && holdsEvents(root, file) {
			old = append(old, file)
		}
		return ignoreMissing(err)
	})
	for _, file := range old {
		if err := root.Remove(file); err != nil {
			return removed, ignoreMissing(err)
		}
		removed = append(removed, filepath.Join(folder, filepath.FromSlash(file)))
		if parent := path.Dir(file); parent != "." {
			_ = root.Remove(parent) // It goes only where it is empty.
		}
	}
	return removed, err
}

// holdsEvents tells that a file is one of ours, as folders are the user's to choose.
func holdsEvents(root *os.Root, file string) bool {
	opened, err := root.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = opened.Close() }()
	var first struct{ Step, Status string }
	return json.NewDecoder(opened).Decode(&first) == nil && first.Step != "" && first.Status != ""
}
