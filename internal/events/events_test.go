package events

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type event struct {
	Step   string `json:"step"`
	Status string `json:"status"`
	Object string `json:"object"`
}

func read(t *testing.T, r *Reader) string {
	t.Helper()
	lines, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, line := range lines {
		texts = append(texts, string(line))
	}
	return strings.Join(texts, "\n")
}

func TestWhatIsWrittenIsReadOnceAndFullFilesArePutAside(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "events")
	writer := NewWriter(folder, func(line string) string { return strings.ReplaceAll(line, "hunter2", "(secret)") })
	reader := NewReader(folder, filepath.Join(folder, "missing"))
	if text := read(t, reader); text != "" {
		t.Errorf("%q", text)
	}
	writer.Write("dev", "fork/staging", event{"start", "done", "hunter2"})
	if text := read(t, reader); text != `{"step":"start","status":"done","object":"(secret)"}` {
		t.Errorf("%q", text)
	}
	if _, err := os.Stat(filepath.Join(folder, "dev", "fork-staging.jsonl")); err != nil {
		t.Error(err)
	}
	if text := read(t, reader); text != "" {
		t.Errorf("twice: %q", text)
	}
	writer.most = 200
	for range 10 {
		writer.Write("dev", "fork/staging", event{"start", "done", strings.Repeat("x", 60)})
		if text := read(t, reader); strings.Count(text, "start") != 1 {
			t.Errorf("%q", text)
		}
	}
	files, err := os.ReadDir(filepath.Join(folder, "dev"))
	if err != nil || len(files) != 2 || files[0].Name() != "fork-staging.1.jsonl" {
		t.Errorf("%v %v", files, err)
	}
	if text := read(t, NewReader(folder)); strings.Count(text, "start") > 6 {
		t.Errorf("it grows without end: %q", text)
	}
}

func TestOldFilesOfEventsArePruned(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writer := NewWriter(folder, nil)
	writer.Write("old", "shop", event{Step: "apply", Status: "done"})
	writer.Write("new", "shop", event{Step: "apply", Status: "done"})
	foreign := filepath.Join(folder, "old", "data.jsonl")
	if err := os.WriteFile(foreign, []byte("{\"a\": 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, file := range []string{writer.Path("old", "shop"), foreign} {
		if err := os.Chtimes(file, now, now.Add(-48*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := Prune(folder, now.Add(-24*time.Hour))
	if err != nil || len(removed) != 1 || removed[0] != writer.Path("old", "shop") {
		t.Errorf("%v %v", removed, err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("what is no file of events stays")
	}
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	if removed, err := Prune(filepath.Join(folder, "missing"), now); err != nil || len(removed) != 0 {
		t.Errorf("%v %v", removed, err)
	}
}
