package session

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keptRandom gives the random text that is kept in a file of the CLI's data folder, making it at first need. Two
// processes that need it at the same moment get the same one: the file is linked into place whole, and whoever comes
// second reads the first one's.
func keptRandom(dataDir, name string, bytes int) (string, error) {
	folder := filepath.Join(dataDir, "sundog")
	file := filepath.Join(folder, name)
	kept, err := readKept(file)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make the folder that keeps the %s: %w", name, err)
	}
	random := make([]byte, bytes)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a random %s: %w", name, err)
	}
	temporary, err := os.CreateTemp(folder, name+".*")
	if err != nil {
		return "", fmt.Errorf("keep the %s: %w", name, err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.WriteString(hex.EncodeToString(random) + "\n")
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", fmt.Errorf("keep the %s: %w", name, err)
	}
	// Unlike a rename, a link never replaces a file that another process has put there meanwhile.
	if err := os.Link(temporary.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep the %s: %w", name, err)
	}
	return readKept(file)
}

func readKept(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return "", fmt.Errorf("%s is empty: remove it, and a new one is made", file)
	}
	return text, nil
}
