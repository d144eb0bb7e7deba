package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// removals bounds how many containers or volumes are removed at the same time.
const removals = 8

// RemoveEnclave implements enclave.Enclaves. From its first step on the enclave is not there any more, so that nobody takes
// up again what has lost a part of its data. Notes and store go last, as they know the images that go with the enclave, and as
// nobody would know of anything that is left without them; so a removal that was cut off is simply repeated.
func (b *Backend) RemoveEnclave(ctx context.Context, name string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	failure := b.doom(ctx, conn, name)
	if failure == nil {
		failure = b.removeContents(ctx, conn, name, func(role string) bool { return role == roleStore })
	}
	shared := false
	if failure == nil {
		shared, failure = conn.removeEmptyImageOf(ctx, name)
	}
	if failure == nil {
		failure = conn.removeAllNotes(ctx, name)
	}
	if failure == nil {
		failure = conn.removeContainers(ctx, name, func(role string) bool { return role != roleStore })
	}
	if failure == nil && shared {
		failure = conn.removeEmptyImage(ctx)
	}
	if failure == nil {
		return nil
	}
	if remaining := conn.remaining(ctx, name); remaining != "" {
		return fmt.Errorf("remove enclave %q: %w (what remains: %s)", name, failure, remaining)
	}
	return fmt.Errorf("remove enclave %q: %w", name, failure)
}

// doom writes down that the removal of an enclave has begun.
func (b *Backend) doom(ctx context.Context, conn *connection, name string) error {
	err := b.writeState(ctx, conn, name, stateRecord{Removed: true})
	if errors.Is(err, enclave.ErrNotFound) {
		return nil // There are no notes any more.
	}
	return err
}

// isDoomed tells whether the removal of an enclave has begun and not come to its end.
func (c *connection) isDoomed(ctx context.Context, name string) (bool, error) {
	record, err := c.readState(ctx, name)
	if errors.Is(err, enclave.ErrNotFound) {
		return false, nil
	}
	return err == nil && record.Removed, err
}

// removeContents removes everything of an enclave but its notes and the containers of some roles.
func (b *Backend) removeContents(ctx context.Context, conn *connection, name string, spared func(role string) bool) error {
	failure := conn.removeContainers(ctx, name, spared)
	failure = errors.Join(failure, removeAll([]func() error{
		func() error { return conn.removeVolumes(ctx, ofEnclave(name), ofRole(roleVolume)) },
		func() error { return conn.removeNetworks(ctx, name) },
		func() error {
			return errors.Join(b.removeBuiltImages(ctx, conn, name), conn.removeAllArtifactImages(ctx, name))
		},
	}, func(remove func() error) error { return remove() }))
	b.small.dropEnclave(name)
	return failure
}

// removeContainers removes the enclave's containers but those of some roles.
func (c *connection) removeContainers(ctx context.Context, name string, spared func(role string) bool) error {
	containers, err := c.containersOf(ctx, ofEnclave(name))
	if err != nil {
		return err
	}
	return removeAll(containers, func(item container.Summary) error {
		if spared(item.Labels[enclave.LabelRole]) {
			return nil
		}
		if err := c.removeContainer(ctx, item.ID); err != nil {
			return fmt.Errorf("remove container %s: %w", containerName(item), err)
		}
		return nil
	})
}

// removeVolumes removes all volumes that carry the labels.
func (c *connection) removeVolumes(ctx context.Context, labels ...string) error {
	volumes, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: withLabels(labels...)})
	if err != nil {
		return fmt.Errorf("list volumes: %w", c.translate(err))
	}
	names := make([]string, len(volumes.Items))
	for i, volume := range volumes.Items {
		names[i] = volume.Name
	}
	return removeAll(names, func(name string) error {
		return c.removeVolume(ctx, name)
	})
}

func (c *connection) removeVolume(ctx context.Context, name string) error {
	_, err := c.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
	if err = ignoreMissing(err); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, c.translate(err))
	}
	return nil
}

// remaining names what still carries the enclave's label, for an error.
func (c *connection) remaining(ctx context.Context, name string) string {
	var parts []string
	if containers, err := c.containersOf(ctx, ofEnclave(name)); err == nil {
		for _, item := range containers {
			parts = append(parts, "container "+containerName(item))
		}
	}
	if volumes, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: withLabels(ofEnclave(name))}); err == nil {
		for _, item := range volumes.Items {
			parts = append(parts, "volume "+item.Name)
		}
	}
	if networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(ofEnclave(name))}); err == nil {
		for _, item := range networks.Items {
			parts = append(parts, "network "+item.Name)
		}
	}
	if images, err := c.artifactImages(ctx, ofEnclave(name)); err == nil {
		for digest := range images {
			parts = append(parts, "image of artifact "+digest)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// removeBuiltImages removes the images that were built for an enclave, unless a container of another one uses them.
func (b *Backend) removeBuiltImages(ctx context.Context, conn *connection, name string) error {
	files, err := conn.readNotes(ctx, name, folderImages)
	if errors.Is(err, enclave.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// One after the other: they share layers, and the engine stumbles where two that do are removed at the same time.
	var failures []error
	for _, image := range files {
		switch text := string(image); {
		case strings.HasPrefix(text, imageIDPrefix):
			failures = append(failures, conn.removeSuperseded(ctx, text))
		default:
			failures = append(failures, conn.removeImage(ctx, text))
		}
	}
	return errors.Join(failures...)
}

// imageIDPrefix begins an image's ID, and no image's name.
const imageIDPrefix = "sha256:"

// removeSuperseded removes an image that Sundog has built and whose name means a newer one by now, unless a container
// uses it.
func (c *connection) removeSuperseded(ctx context.Context, id string) error {
	inspected, err := c.ImageInspect(ctx, id)
	if errdefs.IsNotFound(err) || err == nil && len(inspected.RepoTags) > 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove image %s: %w", id, c.translate(err))
	}
	return c.removeImage(ctx, id)
}

// removeImage removes an image that Sundog has built; one that a container uses stays, as does one of somebody else.
func (c *connection) removeImage(ctx context.Context, name string) error {
	inspected, err := c.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove image %s: %w", name, c.translate(err))
	}
	if inspected.Config == nil || inspected.Config.Labels[enclave.LabelRole] != roleImage {
		return nil
	}
	_, err = c.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
	if err == nil || errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("remove image %s: %w", name, c.translate(err))
}

// removeAll removes items in parallel, all of them whatever happens to one, and joins the errors.
func removeAll[T any](items []T, remove func(T) error) error {
	failures := make([]error, len(items))
	var group errgroup.Group
	group.SetLimit(removals)
	for i, item := range items {
		group.Go(func() error {
			failures[i] = remove(item)
			return nil
		})
	}
	_ = group.Wait() // The functions keep their errors themselves.
	return errors.Join(failures...)
}

// containerName is a container's name without the engine's leading slash.
func containerName(item container.Summary) string {
	if len(item.Names) == 0 {
		return item.ID
	}
	return strings.TrimPrefix(item.Names[0], "/")
}
