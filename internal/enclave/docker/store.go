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

// The folders of a store's file system. All that is small is below one of them, so that one copy reads it.
const (
	folderNotes     = "notes"
	folderState     = folderNotes + "/state"   // what Observe reads: the enclave itself and which services were stopped on purpose
	folderRecords   = folderNotes + "/records" // records by name
	folderIndex     = folderNotes + "/index"   // which artifacts are complete
	folderLarge     = folderNotes + "/large"   // which artifacts have an image of their own
	folderImages    = folderNotes + "/images"  // images that were built for the enclave
	folderArtifacts = "artifacts"              // artifacts by digest
)

// A store can be written and read while it is not running, but nothing can be deleted from it and a client that dies
// half-way leaves a half-written file. So whoever writes makes sure that a half-written file can be told from a whole
// one, and that an empty file means "removed".

// writeStore writes small files into an enclave's store, in order.
func (c *connection) writeStore(ctx context.Context, name string, files ...storeFile) error {
	book, done, err := c.notes.open(ctx, name)
	if err != nil {
		return fmt.Errorf("write to the store of enclave %q: %w", name, err)
	}
	defer done()
	_, err = c.putFiles(ctx, name, book, files)
	return err
}

// putFiles writes files; what a notebook knew of their folders is outdated, whether that succeeds or not.
func (c *connection) putFiles(ctx context.Context, name string, book *notebook, files []storeFile) (stamp string, err error) {
	moment := c.stamps.next()
	archive, err := packNotes(files, moment)
	if err != nil {
		return "", fmt.Errorf("write to the store of enclave %q: %w", name, err)
	}
	for _, file := range files {
		book.outdate(path.Dir(file.path))
	}
	_, err = c.CopyToContainer(ctx, storeName(name), client.CopyToContainerOptions{DestinationPath: "/", Content: bytes.NewReader(archive)})
	if err != nil {
		return "", fmt.Errorf("write to the store of enclave %q: %w", name, c.translate(err))
	}
	return stampText(moment), nil
}

// updateStore changes the files of one folder of an enclave's notes, knowing what is in it. Nobody else may write to that
// folder meanwhile; alone tells that nobody writes to the store at all.
func (c *connection) updateStore(ctx context.Context, name, folder string, alone bool, change func(files map[string][]byte) []storeFile) error {
	book, done, err := c.notes.open(ctx, name)
	if err != nil {
		return fmt.Errorf("write to the store of enclave %q: %w", name, err)
	}
	defer done()
	whole, err := c.readNotes(ctx, name, folder, book)
	if err != nil {
		return err
	}
	files := change(book.below(folder))
	if len(files) == 0 {
		return nil
	}
	stamp, err := c.putFiles(ctx, name, book, files)
	if err != nil {
		return err
	}
	book.wrote(folder, stamp, files, alone && whole)
	return nil
}

// readStore reads all files of a folder of an enclave's notes, by path below the folder. A folder that was never written
// is empty; a store that is not there is ErrNotFound.
func (c *connection) readStore(ctx context.Context, name, folder string) (map[string][]byte, error) {
	book, done, err := c.notes.open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the store of enclave %q: %w", name, err)
	}
	defer done()
	if _, err := c.readNotes(ctx, name, folder, book); err != nil {
		return nil, err
	}
	return book.below(folder), nil
}

// readNotes sees to it that a notebook holds what the store holds of a folder. Whole tells that it holds all notes.
func (c *connection) readNotes(ctx context.Context, name, folder string, book *notebook) (whole bool, err error) {
	if nearest := c.current(ctx, name, folder, book); nearest != "" {
		return nearest == folderNotes, nil
	}
	book.fill(map[string][]byte{})
	result, err := c.CopyFromContainer(ctx, storeName(name), client.CopyFromContainerOptions{SourcePath: "/" + folderNotes})
	if err != nil {
		if errdefs.IsNotFound(err) && !isMissingContainer(err) {
			return true, nil
		}
		return false, fmt.Errorf("read the store of enclave %q: %w", name, c.translate(err))
	}
	defer result.Content.Close() //nolint:errcheck // It was read to the end or is of no use any more.
	files := map[string][]byte{}
	archive := tar.NewReader(result.Content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			book.fill(files)
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("read the store of enclave %q: %w", name, c.translate(err))
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if files[path.Clean(header.Name)], err = io.ReadAll(archive); err != nil {
			return false, fmt.Errorf("read the store of enclave %q: %w", name, c.translate(err))
		}
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
