package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// spool holds what may turn out to be large: a part of it in memory, what is more in a file without a name.
type spool struct {
	head bytes.Buffer
	file *os.File
	size int64
}

// Write implements io.Writer.
func (s *spool) Write(data []byte) (int, error) {
	written := len(data)
	if room := min(partSize-s.head.Len(), len(data)); room > 0 {
		s.head.Write(data[:room])
		data = data[room:]
	}
	if len(data) > 0 {
		if s.file == nil {
			if err := s.open(); err != nil {
				return 0, err
			}
		}
		if _, err := s.file.Write(data); err != nil {
			return 0, err
		}
	}
	s.size += int64(written)
	return written, nil
}

func (s *spool) open() error {
	file, err := os.CreateTemp("", "sundog-artifact-*")
	if err != nil {
		return err
	}
	s.file = file
	_ = os.Remove(file.Name()) // Where open files cannot be removed, close does it.
	return nil
}

// reader gives all that was written.
func (s *spool) reader() (io.Reader, error) {
	head := bytes.NewReader(s.head.Bytes())
	if s.file == nil {
		return head, nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.MultiReader(head, s.file), nil
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	err := file.Close()
	if removed := os.Remove(file.Name()); !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
