package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// OrphanImages implements enclave.Tidy. An image carries no enclave's label, as several may use it; so each enclave
// notes the ones that it uses. It is noted only once a service is made of it: while any apply is under way, what is
// noted nowhere may just have been built, and none is an orphan.
func (b *Backend) OrphanImages(ctx context.Context) ([]enclave.OrphanImage, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	busy, err := conn.anyApply(ctx)
	if err != nil || busy {
		return nil, err
	}
	return conn.unusedImages(ctx)
}

// RemoveOrphanImage implements enclave.Tidy.
func (b *Backend) RemoveOrphanImage(ctx context.Context, id string) error {
	orphans, err := b.OrphanImages(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(orphans, func(orphan enclave.OrphanImage) bool { return orphan.ID == id }) {
		return fmt.Errorf("image %s was left alone: an enclave uses it, or an apply is under way that may", id)
	}
	conn, err := b.connect()
	if err != nil {
		return err
	}
	// Not by force: the engine refuses what a container has begun to use meanwhile.
	for _, orphan := range orphans {
		if orphan.ID != id {
			continue
		}
		for _, name := range append(orphan.Names, orphan.ID) {
			if err := conn.removeImage(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// anyApply tells whether somebody holds the lock of a run, in whatever enclave.
func (c *connection) anyApply(ctx context.Context) (bool, error) {
	locks, err := c.containersOf(ctx, ofSundog(), ofRole(roleLock))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(locks, isApply), nil
}

// isApply tells whether a lock is that of a run whose holder is alive, as far as that can be told from here.
func isApply(lock container.Summary) bool {
	if !strings.HasPrefix(lock.Labels[labelLock], "run/") {
		return false
	}
	alive, known := holderAlive(lock.Labels)
	return alive || !known
}

// unusedImages lists the images that were built and that neither a container nor an enclave's notes know.
func (c *connection) unusedImages(ctx context.Context) ([]enclave.OrphanImage, error) {
	built, err := c.ImageList(ctx, client.ImageListOptions{Filters: withLabels(ofSundog(), ofRole(roleImage))})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", c.translate(err))
	}
	if len(built.Items) == 0 {
		return nil, nil
	}
	used, err := c.usedImages(ctx)
	if err != nil {
		return nil, err
	}
	orphans := []enclave.OrphanImage{}
	for _, image := range built.Items {
		names := slices.DeleteFunc(slices.Clone(image.RepoTags), func(name string) bool { return strings.HasPrefix(name, "<none>") })
		if used[image.ID] || slices.ContainsFunc(names, func(name string) bool { return used[name] }) {
			continue
		}
		orphans = append(orphans, enclave.OrphanImage{ID: image.ID, Names: names, CreatedAt: time.Unix(image.Created, 0).UTC(), Bytes: image.Size})
	}
	slices.SortFunc(orphans, func(a, b enclave.OrphanImage) int { return strings.Compare(a.Title(), b.Title()) })
	return orphans, nil
}

// usedImages gives ids and names of the images of all containers, whoever made them, and of what enclaves note.
func (c *connection) usedImages(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{}
	everything, err := c.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", c.translate(err))
	}
	for _, item := range everything.Items {
		used[item.ImageID], used[item.Image] = true, true
		if item.Labels[enclave.LabelRole] != roleStore {
			continue
		}
		listed, err := c.readNotes(ctx, item.Labels[enclave.LabelEnclave], folderImages)
		if errors.Is(err, enclave.ErrNotFound) {
			continue // The enclave was removed meanwhile.
		}
		if err != nil {
			return nil, err
		}
		for _, image := range listed {
			used[string(image)] = true
		}
	}
	return used, nil
}
