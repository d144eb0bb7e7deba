package docker

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// largestLabel is up to how many characters the content of a note stands in a label. Every list of volumes brings the
// labels along, whoever asks for it; what is larger, such as the recorded output of a talkative command, is a file in the
// store.
const largestLabel = 256 << 10

// errLostNote tells that the store has lost what a note said, or was lost itself.
var errLostNote = errors.New("the store does not have it any more")

// folderNotes is where large notes are in the store.
const folderNotes = "notes"

// packNote puts a note's content into its labels, or into the store before there are any: so a version of a note that can be
// found is whole.
func (c *connection) packNote(ctx context.Context, name, volume string, content []byte, labels map[string]string) error {
	var packed bytes.Buffer
	writer, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := writer.Write(content); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	if base64.RawStdEncoding.EncodedLen(packed.Len()) <= largestLabel {
		labels[labelContent] = base64.RawStdEncoding.EncodeToString(packed.Bytes())
		return nil
	}
	file := folderNotes + "/" + volume
	labels[labelFile] = file
	return c.putFiles(ctx, name, storeFile{file, packed.Bytes()})
}

// noteContent gives what a version of a note says.
func (c *connection) noteContent(ctx context.Context, name string, kept keptNote) ([]byte, error) {
	content, err := c.packedNote(ctx, name, kept)
	if err == nil {
		content, err = io.ReadAll(flate.NewReader(bytes.NewReader(content)))
	}
	if err != nil {
		return nil, fmt.Errorf("read note %s of enclave %q (volume %s): %w", kept.path, name, kept.volume, err)
	}
	return content, nil
}

func (c *connection) packedNote(ctx context.Context, name string, kept keptNote) ([]byte, error) {
	if kept.file == "" {
		return base64.RawStdEncoding.DecodeString(kept.content)
	}
	result, err := c.CopyFromContainer(ctx, storeName(name), client.CopyFromContainerOptions{SourcePath: "/" + kept.file})
	if errdefs.IsNotFound(err) {
		return nil, errLostNote
	}
	if err != nil {
		return nil, c.translate(err)
	}
	defer result.Content.Close() //nolint:errcheck // It was read to the end or is of no use any more.
	archive := tar.NewReader(result.Content)
	if _, err := archive.Next(); err != nil {
		return nil, c.translate(err)
	}
	return io.ReadAll(archive)
}

// emptyNoteFile frees the space of a large note that is not needed any more: nothing can be deleted from a store.
func (c *connection) emptyNoteFile(ctx context.Context, name string, kept keptNote) error {
	if kept.file == "" {
		return nil
	}
	return c.putFiles(ctx, name, storeFile{path: kept.file})
}
