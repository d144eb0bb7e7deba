package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var _ enclave.Sweeping = (*Backend)(nil)

// Sweep implements enclave.Sweeping: a container that is replaced goes first and its image, if the name means a newer one by
// now, after it; between the two everything may end. An image that somebody is about to use is built again.
func (b *Backend) Sweep(ctx context.Context, name string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.sweepImages(ctx, name); err != nil {
		return fmt.Errorf("remove what is left of images in enclave %q: %w", name, err)
	}
	return nil
}

// sweepImages removes superseded images that nobody uses, and forgets those that are gone.
func (c *connection) sweepImages(ctx context.Context, name string) error {
	noted, err := c.readNotes(ctx, name, folderImages)
	if err != nil {
		return err
	}
	var gone []note
	for _, file := range slices.Sorted(maps.Keys(noted)) {
		id := string(noted[file])
		if !strings.HasPrefix(id, imageIDPrefix) {
			continue
		}
		if err := c.removeSuperseded(ctx, id); err != nil {
			return err
		}
		_, err := c.ImageInspect(ctx, id)
		switch {
		case errdefs.IsNotFound(err):
			gone = append(gone, note{path: folderImages + "/" + file})
		case err != nil:
			return fmt.Errorf("look for image %s: %w", id, c.translate(err))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return c.writeNotes(ctx, name, gone...)
}
