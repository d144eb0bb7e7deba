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

// fileTree gives a file (at the root of the result under its base name) or the contents of a folder. Contents are
// streamed for their digests and not kept.
func (t *tree) fileTree(ctx context.Context, relative string) (*plan.FileTree, error) {
	info, err := t.stat(relative)
	if err != nil {
		return nil, err
	}
	walk := &treeWalk{ctx: ctx, tree: t, ignore: t.ignore}
	switch {
	case info.Mode().IsRegular():
		err = walk.file(relative, path.Base(relative), info.Mode())
	case info.IsDir():
		if relative != "" {
			if text, readErr := t.read(path.Join(relative, ignoreName)); readErr == nil {
				walk.own = parseIgnore(string(text))
			}
		}
		err = walk.folder(relative, "", region{base: relative})
	default:
		err = fmt.Errorf("%q of %s is neither a file nor a folder", relative, t)
	}
	if err != nil {
		return nil, err
	}
	return plan.NewFileTree(walk.files)
}

// treeWalk gathers the files of one folder.
type treeWalk struct {
	ctx    context.Context //nolint:containedctx // the walk lives no longer than the call it belongs to
	tree   *tree
	ignore ignoreRules // of the tree, against paths of the tree
	own    ignoreRules // of the folder itself, against paths below it
	files  []plan.File
}

// maxLinkDepth bounds how many folders can be reached through links that lead to other folders.
const maxLinkDepth = 40

// region is a folder that is copied as a whole: the one that was asked for, or one that a link in it led to.
type region struct {
	base  string // in the tree
	depth int    // links that led here
}

func (w *treeWalk) folder(source, target string, of region) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if of.depth > maxLinkDepth {
		return fmt.Errorf("the folder %q of %s is nested through symbolic links without end", source, w.tree)
	}
	entries, err := w.list(source)
	if err != nil {
		return err
	}
	if len(entries) == 0 && target != "" {
		w.files = append(w.files, plan.File{Path: target, Mode: fs.ModeDir | 0o755})
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

func (w *treeWalk) skips(from, to string, directory bool) bool {
	// Git's own folder changes without any file changing.
	return path.Base(from) == ".git" || w.ignore.match(from, directory) || w.own.match(to, directory)
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

// link keeps a link whose target lies in the same region, and copies what any other link of the repository leads to.
func (w *treeWalk) link(from, to string, of region) error {
	root, err := os.OpenRoot(w.tree.directory)
	if err != nil {
		return w.tree.explain(from, err)
	}
	defer root.Close() //nolint:errcheck // only read from
	target, err := root.Readlink(from)
	if err != nil {
		return w.tree.explain(from, err)
	}
	// Stat follows the link and refuses to leave the repository.
	info, err := root.Stat(from)
	if err != nil {
		return w.tree.explain(from, err)
	}
	actual := joinPath(path.Dir(from), target)
	if again, err := root.Stat(orDot(actual)); path.IsAbs(target) || err != nil || !os.SameFile(info, again) {
		return fmt.Errorf("the symbolic link %q of %s leads to %q by way of another link: link to the file itself", from, w.tree, target)
	}
	if within(actual, of.base) {
		w.files = append(w.files, plan.File{Path: to, Mode: fs.ModeSymlink | 0o777, Link: target})
		return nil
	}
	if info.IsDir() {
		return w.folder(actual, to, region{base: actual, depth: of.depth + 1})
	}
	return w.file(actual, to, info.Mode())
}

func (w *treeWalk) file(from, to string, mode fs.FileMode) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	sum, size, err := w.tree.digest(from)
	if err != nil {
		return err
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
			return &verifiedFile{File: file, name: from, want: sum, hash: sha256.New()}, nil
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
