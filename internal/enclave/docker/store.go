package docker

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// folderArtifacts is where a store has small artifacts, by digest.
const folderArtifacts = "artifacts"

// putFiles writes small files into an enclave's store, in order. A store can be written and read while it is not running,
// but nothing can be deleted from it, and a client that dies half-way leaves a half-written file. So a note that is written
// afterwards tells that a file is whole, and an empty file means "removed".
func (c *connection) putFiles(ctx context.Context, name string, files ...storeFile) error {
	archive, err := packFiles(files)
	if err == nil {
		_, err = c.CopyToContainer(ctx, storeName(name), client.CopyToContainerOptions{DestinationPath: "/", Content: bytes.NewReader(archive)})
		err = c.translate(err)
	}
	if err != nil {
		return fmt.Errorf("write to the store of enclave %q: %w", name, err)
	}
	return nil
}

// hasStore tells whether an enclave's store is there: `docker container prune` takes it away, as it does not run.
func (c *connection) hasStore(ctx context.Context, name string) (bool, error) {
	_, err := c.ContainerInspect(ctx, storeName(name), client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, c.translate(err)
}

// replaceStore makes the store of an enclave again that has lost it. Notes of what was in it go first.
func (c *connection) replaceStore(ctx context.Context, existing *enclave.Enclave) error {
	list, err := c.allNotes(ctx, existing.Name)
	if err != nil {
		return err
	}
	var lost []keptNote
	for path, kept := range list.newest {
		if kept.file != "" || strings.HasPrefix(path, folderIndex+"/") {
			lost = append(lost, kept)
		}
	}
	if err := removeAll(append(lost, list.outdated...), func(kept keptNote) error { return c.removeVolume(ctx, kept.volume) }); err != nil {
		return err
	}
	labels := objectLabels(existing.Name, roleStore, map[string]string{enclave.LabelOwner: existing.Owner})
	if _, err := c.createFromEmpty(ctx, storeName(existing.Name), labels); err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("make its store again: %w", c.translate(err))
	}
	return nil
}

// noEnclave is the error for an enclave that is not there.
func noEnclave(name string) error {
	return fmt.Errorf("enclave %q: %w", name, enclave.ErrNotFound)
}
