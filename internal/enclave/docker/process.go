package docker

import (
	"archive/tar"
	"bytes"
	"io"
	"time"
)

// packBeat makes the file whose time of modification shows that a lock's holder is alive.
func packBeat(now time.Time) (io.Reader, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: beatFile, Mode: 0o600, ModTime: now}); err != nil {
		return nil, err
	}
	err := archive.Close()
	return &buffer, err
}
