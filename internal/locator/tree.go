package locator

import (
	"bytes"
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
// of a local replace. No path and no symbolic link leads out of it, or into Git's own folder.
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

	mutex   sync.Mutex
	root    *os.Root               // opened at first need; it closes itself when the tree is forgotten
	folders map[string]bool        // paths that are folders and no links
	found   map[string]fs.FileInfo // what paths lead to, of a tree that does not change
	modules *submodules
	sum     string    // digest of the whole tree; empty until it was asked for
	buffers sync.Pool // for reading files

	checking  sync.Mutex
	manifests map[string]error // checked folders, by path
}

// gitFolder is Git's own folder (or, in a submodule or a worktree, file): it is no part of a repository's files, changes
// without any of them changing, and may hold credentials.
const gitFolder = ".git"

// open gives a file or folder of the tree.
func (t *tree) open(relative string) (*os.File, error) {
	actual, _, err := t.real(relative)
	if err != nil {
		return nil, err
	}
	root, err := t.opened()
	if err != nil {
		return nil, err
	}
	// os.Root would refuse a link that has come in between.
	return root.Open(orDot(actual))
}

func (t *tree) opened() (*os.Root, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.root == nil {
		root, err := os.OpenRoot(t.directory)
		if err != nil {
			return nil, err
		}
		t.root = root
	}
	return t.root, nil
}

func (t *tree) stat(relative string) (fs.FileInfo, error) {
	if t.ignore.covers(relative, false) || t.ignore.covers(relative, true) {
		return nil, fmt.Errorf("%w: %q is kept out of the package by its %s", ErrNotFound, relative, ignoreName)
	}
	return t.statAny(relative)
}

// statAny looks at a file whether or not the package ignores it.
func (t *tree) statAny(relative string) (fs.FileInfo, error) {
	if !t.local {
		t.mutex.Lock()
		info := t.found[relative]
		t.mutex.Unlock()
		if info != nil {
			return info, nil
		}
	}
	_, info, err := t.real(relative)
	if err != nil {
		return nil, t.explain(relative, err)
	}
	if !t.local {
		t.mutex.Lock()
		defer t.mutex.Unlock()
		if t.found == nil {
			t.found = map[string]fs.FileInfo{}
		}
		t.found[relative] = info
	}
	return info, nil
}

// maxLinks bounds how many links one path may lead through, as operating systems do.
const maxLinks = 40

// real follows the symbolic links of a path, one hop after the other, so that each is held to the tree's bounds.
func (t *tree) real(relative string) (actual string, info fs.FileInfo, err error) {
	root, err := t.opened()
	if err != nil {
		return "", nil, err
	}
	links := 0
	rest := strings.Split(relative, "/")
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch {
		case name == "" || name == ".":
			continue
		case name == "..":
			if actual == "" {
				return "", nil, fmt.Errorf("%w: %q leads out of %s through a symbolic link", ErrOutside, relative, t)
			}
			actual, info = joinPath(path.Dir(actual)), nil
			continue
		case strings.EqualFold(name, gitFolder):
			return "", nil, fmt.Errorf("%w: %q of %s leads into Git's own folder, which is no part of the repository's files", ErrOutside, relative, t)
		}
		next := joinPath(actual, name)
		target, found, err := t.hop(root, next, len(rest) > 0)
		if err != nil {
			return "", nil, err
		}
		if target == "" {
			actual, info = next, found
			continue
		}
		if links++; links > maxLinks {
			return "", nil, fmt.Errorf("%q of %s goes through more than %d symbolic links: they lead in a circle", relative, t, maxLinks)
		}
		if path.IsAbs(target) {
			return "", nil, fmt.Errorf("%w: %q leads out of %s through a symbolic link", ErrOutside, relative, t)
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	if info == nil {
		info, err = root.Stat(orDot(actual))
	}
	return actual, info, err
}

// hop gives the target of a link, or what anything else is. Folders on the way are remembered: almost every path leads
// through the same few.
func (t *tree) hop(root *os.Root, name string, onTheWay bool) (target string, info fs.FileInfo, err error) {
	if onTheWay {
		t.mutex.Lock()
		known := t.folders[name]
		t.mutex.Unlock()
		if known {
			return "", nil, nil
		}
	}
	info, err = root.Lstat(name)
	switch {
	case err != nil:
		return "", nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err = root.Readlink(name)
		return target, nil, err
	case info.IsDir():
		t.mutex.Lock()
		defer t.mutex.Unlock()
		if t.folders == nil {
			t.folders = map[string]bool{}
		}
		t.folders[name] = true
	}
	return "", info, nil
}

// maxTextSize bounds what is read into memory at once: Starlark files and what read_file gives.
const maxTextSize = 64 << 20

func (t *tree) read(relative string) ([]byte, error) {
	info, err := t.stat(relative)
	if err != nil {
		return nil, err
	}
	return t.readFile(relative, info)
}

// readAny reads a file whether or not the package ignores it.
func (t *tree) readAny(relative string) ([]byte, error) {
	info, err := t.statAny(relative)
	if err != nil {
		return nil, err
	}
	return t.readFile(relative, info)
}

func (t *tree) readFile(relative string, info fs.FileInfo) ([]byte, error) {
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
	content := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := content.ReadFrom(io.LimitReader(file, maxTextSize)); err != nil {
		return nil, t.explain(relative, err)
	}
	return content.Bytes(), nil
}

// explain turns the operating system's words into the conditions of this package.
func (t *tree) explain(relative string, err error) error {
	var pathError *fs.PathError
	switch {
	case errors.Is(err, ErrOutside):
		return err
	case errors.Is(err, fs.ErrNotExist), strings.Contains(err.Error(), "not a directory"):
		if module := t.submoduleAbove(relative); module != "" {
			return fmt.Errorf("%w: %q does not exist in %s: %q is a Git submodule, and the files of submodules are not fetched", ErrNotFound, "/"+path.Join(t.prefix, relative), t, module)
		}
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
	return address{repository: t.repository, path: t.prefix, version: t.version}.String()
}

// digest streams one file through SHA-256, and tells whether it is a Git LFS pointer.
func (t *tree) digest(relative string) (sum string, size int64, pointer bool, err error) {
	file, err := t.open(relative)
	if err != nil {
		return "", 0, false, t.explain(relative, err)
	}
	defer file.Close() //nolint:errcheck // only read from
	hash := sha256.New()
	var start headWriter
	buffer, ok := t.buffers.Get().(*[bufferSize]byte)
	if !ok {
		buffer = new([bufferSize]byte)
	}
	defer t.buffers.Put(buffer)
	// A plain reader, because an os.File would bring a buffer of its own.
	if size, err = io.CopyBuffer(io.MultiWriter(hash, &start), readerOnly{file}, buffer[:]); err != nil {
		return "", 0, false, t.explain(relative, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, size <= maxPointerSize && isPointer(start.bytes), nil
}

const bufferSize = 64 << 10

func orDot(relative string) string {
	if relative == "" {
		return "."
	}
	return relative
}
