package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Only a state file that a CLI has emptied, or written a part of, is replaced, and only by what there was before.
func TestRestoreState(t *testing.T) {
	t.Parallel()
	const missing = "-"
	for name, test := range map[string]struct {
		state, backup, want string
		restored            bool
	}{
		"whole":             {`{"serial":3}`, `{"serial":2}`, `{"serial":3}`, false},
		"emptied":           {"", `{"serial":2}`, `{"serial":2}`, true},
		"cut off":           {`{"ser`, `{"serial":2}`, `{"serial":2}`, true},
		"emptied the first": {"", missing, "", false},
		"not there":         {missing, `{"serial":2}`, missing, false},
	} {
		f := &face{folder: t.TempDir()}
		for file, content := range map[string]string{stateFile: test.state, backupFile: test.backup} {
			if content == missing {
				continue
			}
			if err := os.WriteFile(filepath.Join(f.folder, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		restored, err := f.restoreState()
		if err != nil || restored != test.restored {
			t.Errorf("%s: got %t, %v", name, restored, err)
		}
		got, err := os.ReadFile(filepath.Join(f.folder, stateFile))
		if errors.Is(err, fs.ErrNotExist) {
			got, err = []byte(missing), nil
		}
		if err != nil || string(got) != test.want {
			t.Errorf("%s: the state is %q, %v, want %q", name, got, err, test.want)
		}
	}
}
