package docker

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// buildFiles is a file tree in the form in which BuildKit reads it: entry by entry, folders included, and the content
// of those files only that it asks for.
type buildFiles struct {
	entries []*types.Stat
	files   map[string]plan.File
	// fail is told of a file that cannot be read. The sender itself would wait for a receiver that waits for it.
	fail func(error)
}

var _ fsutil.FS = (*buildFiles)(nil)

func newBuildFiles(files []plan.File, fail func(error)) *buildFiles {
	f := &buildFiles{files: map[string]plan.File{}, fail: fail}
	known := map[string]bool{".": true}
	var folder func(name string)
	folder = func(name string) {
		if known[name] {
			return
		}
		known[name] = true
		folder(path.Dir(name))
		f.entries = append(f.entries, &types.Stat{Path: name, Mode: uint32(fs.ModeDir | 0o755)})
	}
	for _, file := range files {
		folder(path.Dir(file.Path))
		switch {
		case file.Mode.IsDir():
			folder(file.Path)
		case file.Mode&fs.ModeSymlink != 0:
			f.entries = append(f.entries, &types.Stat{Path: file.Path, Mode: uint32(fs.ModeSymlink | 0o777), Linkname: file.Link})
		default:
			f.files[file.Path] = file
			f.entries = append(f.entries, &types.Stat{Path: file.Path, Mode: uint32(file.Mode.Perm()), Size: file.Size})
		}
	}
	// The receiver insists on the order of a walk, in which what is inside a folder comes right after it.
	slices.SortFunc(f.entries, func(a, b *types.Stat) int { return fsutil.ComparePath(a.Path, b.Path) })
	return f
}

// Walk implements fsutil.FS.
func (f *buildFiles) Walk(ctx context.Context, target string, visit fs.WalkDirFunc) error {
	target = strings.Trim(path.Clean("/"+filepath.ToSlash(target)), "/")
	skipped := ""
	for _, entry := range f.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if target != "" && !isInside(entry.Path, target) || skipped != "" && isInside(entry.Path, skipped) {
			continue
		}
		// The sender changes what it is given.
		err := visit(filepath.FromSlash(entry.Path), &fsutil.DirEntryInfo{Stat: entry.Clone()}, nil)
		switch {
		case err == fs.SkipAll: //nolint:errorlint // As filepath.Walk, whose contract this is.
			return nil
		case err == fs.SkipDir: //nolint:errorlint // As above.
			if skipped = entry.Path; !entry.IsDir() {
				if skipped = path.Dir(entry.Path); skipped == "." {
					return nil
				}
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// isInside tells whether a path is another one or inside of it.
func isInside(name, folder string) bool {
	rest, found := strings.CutPrefix(name, folder)
	return found && (rest == "" || rest[0] == '/')
}

// Open implements fsutil.FS. Its user takes a file that cannot be opened for an empty one, so a failure is told before.
func (f *buildFiles) Open(name string) (io.ReadCloser, error) {
	file, found := f.files[path.Clean(filepath.ToSlash(name))]
	if !found {
		return nil, f.failed(fmt.Errorf("open %q of the build context: %w", name, fs.ErrNotExist))
	}
	content, err := file.Open()
	if err != nil {
		return nil, f.failed(fmt.Errorf("open %q of the build context: %w", name, err))
	}
	return &wholeFile{ReadCloser: content, name: name, left: file.Size, failed: f.failed}, nil
}

func (f *buildFiles) failed(err error) error {
	f.fail(err)
	return err
}

// wholeFile refuses a file that cannot be read, or whose size is not what was told before, as it was changed meanwhile.
type wholeFile struct {
	io.ReadCloser
	name   string
	left   int64
	failed func(error) error
}

// Read implements io.Reader.
func (f *wholeFile) Read(data []byte) (int, error) {
	count, err := f.ReadCloser.Read(data)
	f.left -= int64(count)
	switch {
	case f.left < 0, err == io.EOF && f.left != 0:
		return 0, f.failed(fmt.Errorf("%q of the build context was changed while it was read", f.name))
	case err != nil && err != io.EOF:
		return count, f.failed(fmt.Errorf("read %q of the build context: %w", f.name, err))
	}
	return count, err
}
