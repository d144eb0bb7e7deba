package events

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Reader reads what has come to the files of some folders since it was asked last.
type Reader struct {
	folders []string
	seen    []*seenFile
}

// seenFile is how far a file was read. A file that was put aside is still the same one.
type seenFile struct {
	info   fs.FileInfo
	offset int64
}

// NewReader makes a reader that begins at the beginning. A folder that is not there has nothing yet.
func NewReader(folders ...string) *Reader { return &Reader{folders: folders} }

// Read gives the new lines of all files, each without its end.
func (r *Reader) Read() (lines [][]byte, err error) {
	for _, folder := range r.folders {
		err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != Extension {
				return ignoreMissing(err)
			}
			found, err := r.readFile(file)
			lines = append(lines, found...)
			return ignoreMissing(err)
		})
		if err != nil {
			return lines, err
		}
	}
	return lines, nil
}

// readFile reads the whole lines that are new; the rest of a line that is being written waits for the next time.
func (r *Reader) readFile(name string) (lines [][]byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // It was read.
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	seen := r.find(info)
	if info.Size() < seen.offset {
		seen.offset = 0 // Somebody has emptied it.
	}
	if _, err := file.Seek(seen.offset, io.SeekStart); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	seen.offset += int64(len(content))
	for line := range bytes.Lines(content) {
		lines = append(lines, bytes.TrimRight(line, "\r\n"))
	}
	return lines, nil
}

func (r *Reader) find(info fs.FileInfo) *seenFile {
	for _, known := range r.seen {
		if os.SameFile(known.info, info) {
			return known
		}
	}
	known := &seenFile{info: info}
	r.seen = append(r.seen, known)
	return known
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
