package locator

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
)

// tree is one folder of files that stands at a locator: a fetched repository, the root package's folder, or the target
// of a local replace. No path and no symbolic link leads out of it.
type tree struct {
	// repository is the one that locators into the tree name; prefix is where in it the tree stands (empty: its root).
	repository string
	prefix     string
	version    string // as the locator asked for it
	commit     string // empty for folders
	// directory is the absolute path on disk.
	directory string
	ignore    ignoreRules
	// local trees may change under us; fetched ones are immutable.
	local bool

	mutex     sync.Mutex
	manifests map[string]error // checked folders, by path
}

// open gives a file or folder of the tree. os.Root refuses every path and link that leads out.
func (t *tree) open(relative string) (*os.File, error) {
	root, err := os.OpenRoot(t.directory)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // closing a folder that was only read from cannot lose anything
	return root.Open(orDot(relative))
}

func (t *tree) stat(relative string) (fs.FileInfo, error) {
	if t.ignore.covers(relative, false) || t.ignore.covers(relative, true) {
		return nil, fmt.Errorf("%w: %q is kept out of the package by its %s", ErrNotFound, relative, ignoreName)
	}
	root, err := os.OpenRoot(t.directory)
	if err != nil {
		return nil, t.explain(relative, err)
	}
	defer root.Close() //nolint:errcheck // closing a folder that was only read from cannot lose anything
	info, err := root.Stat(orDot(relative))
	if err != nil {
		return nil, t.explain(relative, err)
	}
	return info, nil
}

// maxTextSize bounds what is read into memory at once: Starlark files and what read_file gives.
const maxTextSize = 64 << 20

func (t *tree) read(relative string) ([]byte, error) {
	info, err := t.stat(relative)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, fmt.Errorf("%q is a folder, not a file", relative)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is not a regular file", relative)
	case info.Size() > maxTextSize:
		return nil, fmt.Errorf("%q is larger than the %d MiB that can be read at once", relative, maxTextSize>>20)
	}
	file, err := t.open(relative)
	if err != nil {
		return nil, t.explain(relative, err)
	}
	defer file.Close() //nolint:errcheck // only read from
	return io.ReadAll(io.LimitReader(file, maxTextSize))
}

// explain turns the operating system's words into the conditions of this package.
func (t *tree) explain(relative string, err error) error {
	var pathError *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist), strings.Contains(err.Error(), "not a directory"):
		return fmt.Errorf("%w: %q does not exist in %s", ErrNotFound, "/"+path.Join(t.prefix, relative), t)
	case strings.Contains(err.Error(), "escapes"):
		return fmt.Errorf("%w: %q leads out of %s through a symbolic link", ErrOutside, relative, t)
	case errors.As(err, &pathError):
		return fmt.Errorf("read %q of %s: %w", relative, t, pathError.Err)
	default:
		return fmt.Errorf("read %q of %s: %w", relative, t, err)
	}
}

// String names the tree in messages.
func (t *tree) String() string {
	text := path.Join(t.repository, t.prefix)
	if t.version != "" {
		text += "@" + t.version
	}
	return text
}

// digest streams one file through SHA-256.
func (t *tree) digest(relative string) (sum string, size int64, err error) {
	file, err := t.open(relative)
	if err != nil {
		return "", 0, t.explain(relative, err)
	}
	defer file.Close() //nolint:errcheck // only read from
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, t.explain(relative, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

func orDot(relative string) string {
	if relative == "" {
		return "."
	}
	return relative
}
