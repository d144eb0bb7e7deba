package plan

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// File is one entry of a file tree.
type File struct {
	// Path is slash-separated, relative and clean.
	Path string
	// Mode holds the permission bits and, for links and directories, the type.
	Mode fs.FileMode
	Size int64
	// SHA256 of the content, lower-case hexadecimal; empty for directories and links.
	SHA256 string
	// Link is the target of a symbolic link.
	Link string
	// Open gives the content; it may be called more than once. Nil for directories and links.
	Open func() (io.ReadCloser, error)
}

// FileTree is an immutable set of files, sorted by path. It holds digests, not contents.
type FileTree struct {
	Files []File
}

// NewFileTree sorts files and checks that paths are relative, clean and unique.
func NewFileTree(files []File) (*FileTree, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return comparePaths(a.Path, b.Path) })
	for i, file := range files {
		if file.Path == "" || path.IsAbs(file.Path) || path.Clean(file.Path) != file.Path || file.Path == ".." || strings.HasPrefix(file.Path, "../") {
			return nil, fmt.Errorf("path %q of a file tree must be relative and clean", file.Path)
		}
		if i > 0 && files[i-1].Path == file.Path {
			return nil, fmt.Errorf("path %q stands twice in a file tree", file.Path)
		}
	}
	return &FileTree{Files: files}, nil
}

func comparePaths(a, b string) int { return strings.Compare(a, b) }

// TextFile is a file of a file tree with the given content.
func TextFile(name string, mode fs.FileMode, content string) File {
	sum := sha256.Sum256([]byte(content))
	return File{
		Path: name, Mode: mode.Perm(), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
	}
}

// Digest covers paths, modes, links and contents; lower-case hexadecimal SHA-256.
func (t *FileTree) Digest() string {
	hash := sha256.New()
	for _, file := range t.Files {
		// Lengths keep "ab"+"c" apart from "a"+"bc".
		fmt.Fprintf(hash, "%d:%s %o %d:%s %s\n", len(file.Path), file.Path, file.Mode, len(file.Link), file.Link, file.SHA256)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// epoch is the modification time of everything in a tar stream: equal trees give equal streams.
var epoch = time.Unix(0, 0)

// WriteTar streams the tree as a tar archive owned by root, with parent directories, in path order.
func (t *FileTree) WriteTar(w io.Writer) error {
	archive := tar.NewWriter(w)
	made := map[string]bool{".": true}
	for _, file := range t.Files {
		if err := writeParents(archive, path.Dir(file.Path), made); err != nil {
			return err
		}
		if err := writeEntry(archive, file, made); err != nil {
			return fmt.Errorf("write %q to an archive: %w", file.Path, err)
		}
	}
	return archive.Close()
}

func writeParents(archive *tar.Writer, directory string, made map[string]bool) error {
	if made[directory] {
		return nil
	}
	if err := writeParents(archive, path.Dir(directory), made); err != nil {
		return err
	}
	made[directory] = true
	return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: directory + "/", Mode: 0o755, ModTime: epoch})
}

func writeEntry(archive *tar.Writer, file File, made map[string]bool) error {
	header := &tar.Header{Name: file.Path, Mode: int64(file.Mode.Perm()), ModTime: epoch}
	switch {
	case file.Mode.IsDir():
		if made[file.Path] {
			return nil
		}
		made[file.Path] = true
		header.Typeflag, header.Name = tar.TypeDir, file.Path+"/"
		return archive.WriteHeader(header)
	case file.Mode&fs.ModeSymlink != 0:
		header.Typeflag, header.Linkname = tar.TypeSymlink, file.Link
		return archive.WriteHeader(header)
	}
	header.Typeflag, header.Size = tar.TypeReg, file.Size
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	content, err := file.Open()
	if err != nil {
		return err
	}
	_, err = io.Copy(archive, content)
	if closeErr := content.Close(); err == nil {
		err = closeErr
	}
	return err
}
