package locator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// treeDigest gives the digest that lock files and vendor folders' lists hold: "sha256:" and the SHA-256 (hexadecimal) of
// one line for each file, sorted by path as bytes:
//
//	<mode> <SHA-256 of the content, hexadecimal> <path, as a Go string literal>\n
//
// The mode is Git's: 100644, 100755 where the owner may execute the file, or 120000 for a symbolic link, whose content is
// its target. Folders count only through what they hold, and everything called .git is left out: so the digest of a fresh
// checkout, of a copy without .git and of a copy that was itself kept in Git are the same. Git's own tree hash was not
// taken: it is SHA-1, and of a submodule it names a commit that the files do not tell.
func (t *tree) treeDigest(ctx context.Context) (string, error) {
	t.mutex.Lock()
	known := t.sum
	t.mutex.Unlock()
	if known != "" && !t.local {
		return known, nil
	}
	files, err := t.rawFiles(ctx)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, file := range files {
		sum, err := t.digestRaw(ctx, file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %s %q\n", file.mode, sum, file.path)
	}
	sum := "sha256:" + hex.EncodeToString(hash.Sum(nil))
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.sum = sum
	return sum, nil
}

// Git's modes of files.
const (
	modePlain      = "100644"
	modeExecutable = "100755"
	modeLink       = "120000"
)

// rawFile is a file as it lies in a tree, whatever ignore files say.
type rawFile struct {
	path string
	mode string
	link string // target of a link
}

// rawFiles lists a tree, sorted by path.
func (t *tree) rawFiles(ctx context.Context) ([]rawFile, error) {
	root, err := t.opened()
	if err != nil {
		return nil, t.explain("", err)
	}
	var files []rawFile
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return t.explain(name, err)
		case ctx.Err() != nil:
			return ctx.Err()
		case strings.EqualFold(path.Base(name), gitFolder):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			if err != nil {
				return t.explain(name, err)
			}
			files = append(files, rawFile{path: name, mode: modeLink, link: target})
			return nil
		case !entry.Type().IsRegular():
			return fmt.Errorf("%q of %s is neither a file nor a folder nor a link", name, t)
		}
		info, err := entry.Info()
		if err != nil {
			return t.explain(name, err)
		}
		mode := modePlain
		if info.Mode()&0o100 != 0 {
			mode = modeExecutable
		}
		files = append(files, rawFile{path: name, mode: mode})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b rawFile) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

func (t *tree) digestRaw(ctx context.Context, file rawFile) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if file.mode == modeLink {
		sum := sha256.Sum256([]byte(file.link))
		return hex.EncodeToString(sum[:]), nil
	}
	sum, _, _, err := t.digest(file.path)
	return sum, err
}

// verify holds a tree to the digest that was noted for it.
func (t *tree) verify(ctx context.Context, want, where, remedy string) error {
	got, err := t.treeDigest(ctx)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: %s: the files in %s have the digest %s, and %s says %s: %s", ErrMismatch, t, t.directory, got, where, want, remedy)
	}
	return nil
}
