package locator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// errChanged tells that a file is no longer what it was when its digest was taken.
var errChanged = errors.New("the file changed after the plan was made")

// fileTree gives a file (at the root of the result under its base name) or the contents of a folder, and what whoever
// uses them should know. Contents are streamed for their digests and not kept.
func (t *tree) fileTree(ctx context.Context, relative string) (*plan.FileTree, []string, error) {
	info, err := t.stat(relative)
	if err != nil {
		return nil, nil, err
	}
	walk := &treeWalk{ctx: ctx, tree: t, ignore: t.ignore}
	switch {
	case info.Mode().IsRegular():
		err = walk.file(relative, path.Base(relative), info.Mode())
	case info.IsDir():
		err = walk.all(relative)
	default:
		err = fmt.Errorf("%q of %s is neither a file nor a folder", relative, t)
	}
	if err != nil {
		return nil, nil, err
	}
	made, err := plan.NewFileTree(walk.files)
	return made, walk.warnings, err
}

// packageFiles gives everything that makes up the package in a folder, its lock file included.
func (t *tree) packageFiles(ctx context.Context, folder string) (*plan.FileTree, error) {
	walk := &treeWalk{ctx: ctx, tree: t, ignore: t.ignore, keepLock: true}
	if err := walk.all(folder); err != nil {
		return nil, err
	}
	return plan.NewFileTree(walk.files)
}

// treeWalk gathers the files of one folder.
type treeWalk struct {
	ctx      context.Context //nolint:containedctx // the walk lives no longer than the call it belongs to
	tree     *tree
	ignore   ignoreRules // of the tree, against paths of the tree
	own      ignoreRules // of the folder itself, against paths below it
	keepLock bool        // the lock file is one of the files
	files    []plan.File
	warnings []string
}

func (w *treeWalk) all(folder string) error {
	actual, _, err := w.tree.real(folder)
	if err != nil {
		return w.tree.explain(folder, err)
	}
	if actual != "" {
		if text, readErr := w.tree.read(path.Join(actual, ignoreName)); readErr == nil {
			w.own = parseIgnore(string(text))
		}
	}
	return w.folder(actual, "", region{base: actual})
}

// Bounds of what links can make of a folder: how many of them may follow each other to other folders, and how many files
// may come out.
const (
	maxLinkDepth = 40
	maxTreeFiles = 500_000
)

// region is a folder that is copied as a whole: the one that was asked for, or one that a link in it led to.
type region struct {
	base  string // in the tree
	depth int    // links that led here
}

func (w *treeWalk) folder(source, target string, of region) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if of.depth > maxLinkDepth || len(w.files) > maxTreeFiles {
		return fmt.Errorf("the folder %q of %s is nested through symbolic links without end, or holds more than %d files", source, w.tree, maxTreeFiles)
	}
	entries, err := w.list(source)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		if module := w.tree.submoduleAbove(source); module != "" && module == source {
			w.warnings = append(w.warnings, fmt.Sprintf("the folder %q of %s is empty: it is a Git submodule, and the files of submodules are not fetched", source, w.tree))
		}
		if target != "" {
			w.files = append(w.files, plan.File{Path: target, Mode: fs.ModeDir | 0o755})
		}
	}
	for _, entry := range entries {
		from, to := path.Join(source, entry.Name()), path.Join(target, entry.Name())
		if w.skips(from, to, entry.IsDir()) {
			continue
		}
		switch {
		case entry.IsDir():
			err = w.folder(from, to, of)
		case entry.Type()&fs.ModeSymlink != 0:
			err = w.link(from, to, of)
		case entry.Type().IsRegular():
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				err = w.file(from, to, info.Mode())
			}
		default:
			err = fmt.Errorf("%q of %s is neither a file nor a folder nor a link: only those can be copied", from, w.tree)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skips tells what is no part of a folder's files: Git's own folder, what ignore files list, the lock file (pinning what
// a package uses must change no artifact), and folders that the vendor command wrote (they are other packages' files).
func (w *treeWalk) skips(from, to string, directory bool) bool {
	name := path.Base(from)
	if strings.EqualFold(name, gitFolder) || name == LockName && !directory && !w.keepLock {
		return true
	}
	if w.ignore.match(from, directory) || w.own.match(to, directory) {
		return true
	}
	if !directory {
		return false
	}
	info, err := w.tree.statAny(path.Join(from, VendorListName))
	return err == nil && info.Mode().IsRegular()
}

func (w *treeWalk) list(source string) ([]fs.DirEntry, error) {
	folder, err := w.tree.open(source)
	if err != nil {
		return nil, w.tree.explain(source, err)
	}
	defer folder.Close() //nolint:errcheck // only read from
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return nil, w.tree.explain(source, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// link keeps a link that leads to a place in the same region, and copies what any other link of the repository leads to.
func (w *treeWalk) link(from, to string, of region) error {
	root, err := w.tree.opened()
	if err != nil {
		return w.tree.explain(from, err)
	}
	target, err := root.Readlink(from)
	if err != nil {
		return w.tree.explain(from, err)
	}
	actual, info, err := w.tree.real(from)
	inside := w.leadsInto(from, target, of)
	switch {
	case errors.Is(err, fs.ErrNotExist) && inside:
		// A link to nothing is what the package holds, and as harmless in the copy.
		w.files = append(w.files, plan.File{Path: to, Mode: fs.ModeSymlink | 0o777, Link: target})
		return nil
	case err != nil:
		return w.tree.explain(from, err)
	case inside:
		w.files = append(w.files, plan.File{Path: to, Mode: fs.ModeSymlink | 0o777, Link: target})
		return nil
	}
	switch {
	case info.IsDir():
		return w.folder(actual, to, region{base: actual, depth: of.depth + 1})
	case info.Mode().IsRegular():
		return w.file(actual, to, info.Mode())
	default:
		return fmt.Errorf("%q of %s leads to what is neither a file nor a folder", from, w.tree)
	}
}

// leadsInto tells whether a link's text, as it stands, names a place in the region: then it does so in a copy too.
func (w *treeWalk) leadsInto(from, target string, of region) bool {
	if path.IsAbs(target) || climbs(path.Dir("/" + from)[1:]+"/"+target) {
		return false
	}
	place := joinPath(path.Dir("/" + from)[1:], target)
	if !within(place, of.base) {
		return false
	}
	// A folder on the way that is a link itself may stand elsewhere in the copy.
	parent := joinPath(path.Dir("/" + place)[1:])
	actual, _, err := w.tree.real(parent)
	return err == nil && actual == parent
}

func (w *treeWalk) file(from, to string, mode fs.FileMode) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	sum, size, pointer, err := w.tree.digest(from)
	if err != nil {
		return err
	}
	if pointer {
		w.warnings = append(w.warnings, pointerWarning(from, w.tree))
	}
	// Like Git, only the executable bit counts: the rest depends on the umask of whoever made the copy.
	permissions := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		permissions = 0o755
	}
	tree := w.tree
	w.files = append(w.files, plan.File{
		Path: to, Mode: permissions, Size: size, SHA256: sum,
		Open: func() (io.ReadCloser, error) {
			file, err := tree.open(from)
			if err != nil {
				return nil, tree.explain(from, err)
			}
			return newVerifiedFile(file, from, sum), nil
		},
	})
	return nil
}

// verifiedFile fails at its end when the content is not the one whose digest stands in the plan.
type verifiedFile struct {
	*os.File
	name string
	want string
	hash hash.Hash
}

func newVerifiedFile(file *os.File, name, want string) *verifiedFile {
	return &verifiedFile{File: file, name: name, want: want, hash: sha256.New()}
}

func (f *verifiedFile) Read(buffer []byte) (int, error) {
	n, err := f.File.Read(buffer)
	f.hash.Write(buffer[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(f.hash.Sum(nil)) != f.want {
		return n, fmt.Errorf("read %q: %w: plan again", f.name, errChanged)
	}
	return n, err
}

// WriteTo hides the faster path of os.File, which would go round the check.
func (f *verifiedFile) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, readerOnly{f})
}

type readerOnly struct{ io.Reader }
