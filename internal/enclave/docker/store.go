package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// The folders of a store's file system.
const (
	folderState     = "state"     // what Observe reads: the enclave itself and which services were stopped on purpose
	folderRecords   = "records"   // records by name
	folderArtifacts = "artifacts" // artifacts by digest
	folderIndex     = "index"     // which artifacts are complete
	folderImages    = "images"    // images that were built for the enclave
)

// A store can be written and read while it is not running, but nothing can be deleted from it and a client that dies
// half-way leaves a half-written file. So whoever writes makes sure that a half-written file can be told from a whole
// one, and that an empty file means "removed".

// writeStore writes small files into an enclave's store, in order.
func (c *connection) writeStore(ctx context.Context, name string, files ...storeFile) error {
	archive, err := packFiles(files)
	if err != nil {
		return fmt.Errorf("write to the store of enclave %q: %w", name, err)
	}
	_, err = c.CopyToContainer(ctx, storeName(name), client.CopyToContainerOptions{DestinationPath: "/", Content: bytes.NewReader(archive)})
	if err != nil {
		return fmt.Errorf("write to the store of enclave %q: %w", name, c.translate(err))
	}
	return nil
}

// readStore reads all files of a folder of an enclave's store, by path below the folder. A folder that was never
// written is empty; a store that is not there is ErrNotFound.
func (c *connection) readStore(ctx context.Context, name, folder string) (map[string][]byte, error) {
	files := map[string][]byte{}
	result, err := c.CopyFromContainer(ctx, storeName(name), client.CopyFromContainerOptions{SourcePath: "/" + folder})
	if err != nil {
		if errdefs.IsNotFound(err) && !isMissingContainer(err) {
			return files, nil
		}
		return nil, fmt.Errorf("read the store of enclave %q: %w", name, c.translate(err))
	}
	defer result.Content.Close() //nolint:errcheck // It was read to the end or is of no use any more.
	prefix := path.Base(folder) + "/"
	archive := tar.NewReader(result.Content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the store of enclave %q: %w", name, c.translate(err))
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("read the store of enclave %q: %w", name, c.translate(err))
		}
		files[strings.TrimPrefix(header.Name, prefix)] = content
	}
}

// isMissingContainer tells a container that is not there from a path that is not in it.
func isMissingContainer(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "no such container")
}

// noEnclave is the error for an enclave that is not there.
func noEnclave(name string) error {
	return fmt.Errorf("enclave %q: %w", name, enclave.ErrNotFound)
}
