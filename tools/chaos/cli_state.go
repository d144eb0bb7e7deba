package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// The CLIs' own files, in a face's folder.
const (
	stateFile  = "terraform.tfstate"
	backupFile = "terraform.tfstate.backup"
)

// restoreState puts a CLI's backup in the place of a state file that it has emptied and not written: it does that in place, and
// was killed in between. A user would do the same. It tells whether there was need to.
func (f *face) restoreState() (restored bool, err error) {
	state := filepath.Join(f.folder, stateFile)
	content, err := os.ReadFile(state)
	if errors.Is(err, fs.ErrNotExist) || err == nil && json.Valid(content) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	backup, err := os.ReadFile(filepath.Join(f.folder, backupFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // It had nothing before.
	}
	if err != nil {
		return false, err
	}
	return true, os.WriteFile(state, backup, 0o600)
}
