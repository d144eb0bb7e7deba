package engine

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// spooledTree is a file tree whose contents lie in one temporary file: the digest must be known before the content is
// stored, and the content may be larger than memory.
type spooledTree struct {
	tree    *plan.FileTree
	skipped []string
	file    *os.File
	offset  int64
	files   map[string]plan.File
	order   []string
}

// spoolTar reads a tar stream to its end.
func spoolTar(stream io.Reader) (result *spooledTree, err error) {
	file, err := os.CreateTemp("", "sundog-files-*")
	if err != nil {
		return nil, err
	}
	// Where the system allows it the name goes at once, so that nothing remains of a process that is killed.
	_ = os.Remove(file.Name())
	spooled := &spooledTree{file: file, files: map[string]plan.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, spooled.close())
		}
	}()
	archive := tar.NewReader(stream)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := spooled.add(header, archive); err != nil {
			return nil, err
		}
	}
	files := make([]plan.File, 0, len(spooled.order))
	for _, name := range spooled.order {
		files = append(files, spooled.files[name])
	}
	spooled.tree, err = plan.NewFileTree(files)
	return spooled, err
}

// close closes and removes the temporary file.
func (s *spooledTree) close() error {
	err := s.file.Close()
	_ = os.Remove(s.file.Name()) // Usually it is gone already.
	return err
}

func (s *spooledTree) add(header *tar.Header, content io.Reader) error {
	name := path.Clean(strings.TrimLeft(header.Name, "/"))
	if name == "." || name == "" {
		return nil
	}
	file := plan.File{Path: name, Mode: fs.FileMode(header.Mode).Perm()} //nolint:gosec // Only permission bits are kept.
	switch header.Typeflag {
	case tar.TypeDir:
		file.Mode |= fs.ModeDir
	case tar.TypeSymlink:
		file.Mode |= fs.ModeSymlink
		file.Link = header.Linkname
	case tar.TypeLink:
		target, found := s.files[path.Clean(strings.TrimLeft(header.Linkname, "/"))]
		if !found {
			return fmt.Errorf("%q is a hard link to %q, which is not in the archive", name, header.Linkname)
		}
		target.Path = name
		file = target
	case tar.TypeReg:
		if err := s.store(&file, content); err != nil {
			return err
		}
	default:
		s.skipped = append(s.skipped, name)
		return nil
	}
	if _, found := s.files[name]; !found {
		s.order = append(s.order, name)
	}
	s.files[name] = file
	return nil
}

func (s *spooledTree) store(file *plan.File, content io.Reader) error {
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(s.file, hash), content)
	if err != nil {
		return err
	}
	offset := s.offset
	s.offset += size
	file.Size, file.SHA256 = size, hex.EncodeToString(hash.Sum(nil))
	file.Open = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(s.file, offset, size)), nil }
	return nil
}
