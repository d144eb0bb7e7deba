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
}

var _ fsutil.FS = (*buildFiles)(nil)

func newBuildFiles(files []plan.File) *buildFiles {
	f := &buildFiles{files: map[string]plan.File{}}
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

// Open implements fsutil.FS. Its user takes a file that cannot be opened for an empty one, so a failure shows when the
// file is read.
func (f *buildFiles) Open(name string) (io.ReadCloser, error) {
	file, found := f.files[path.Clean(filepath.ToSlash(name))]
	if !found {
		return &failedFile{fmt.Errorf("open %q of the build context: %w", name, fs.ErrNotExist)}, nil
	}
	content, err := file.Open()
	if err != nil {
		return &failedFile{fmt.Errorf("open %q of the build context: %w", name, err)}, nil
	}
	return &wholeFile{ReadCloser: content, name: name, left: file.Size}, nil
}

// failedFile is a file that could not be opened.
type failedFile struct{ err error }

func (f *failedFile) Read([]byte) (int, error) { return 0, f.err }
func (*failedFile) Close() error               { return nil }

// wholeFile refuses a file whose size is not what was told before, as it was changed meanwhile.
type wholeFile struct {
	io.ReadCloser
	name string
	left int64
}

// Read implements io.Reader.
func (f *wholeFile) Read(data []byte) (int, error) {
	count, err := f.ReadCloser.Read(data)
	f.left -= int64(count)
	if f.left < 0 || err == io.EOF && f.left != 0 { //nolint:errorlint // Readers give io.EOF itself.
		return 0, fmt.Errorf("%q of the build context was changed while it was read", f.name)
	}
	return count, err
}
