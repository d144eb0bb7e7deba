package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var (
	_ enclave.Tidy      = (*Backend)(nil)
	_ enclave.Remaining = (*Backend)(nil)
)

// left is what carries one enclave's label.
type left struct {
	enclave.Orphan
	// store tells that the enclave's store is there, data that a service or a persistent directory of it is.
	store, data bool
	// making tells that somebody makes the enclave at the moment, as far as that can be told.
	making bool
}

// Orphans implements enclave.Tidy.
func (b *Backend) Orphans(ctx context.Context) ([]enclave.Orphan, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	found, err := conn.leftBehind(ctx, ofSundog())
	if err != nil {
		return nil, fmt.Errorf("list what was left behind: %w", err)
	}
	orphans := []enclave.Orphan{}
	for _, item := range found {
		gone, err := conn.isOrphan(ctx, item)
		if err != nil {
			return nil, err
		}
		if gone {
			orphans = append(orphans, item.Orphan)
		}
	}
	slices.SortFunc(orphans, func(a, b enclave.Orphan) int { return strings.Compare(a.Name, b.Name) })
	return orphans, nil
}

// Remains implements enclave.Remaining.
func (b *Backend) Remains(ctx context.Context, name string) (*enclave.Orphan, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	found, err := conn.leftBehind(ctx, ofEnclave(name))
	if err != nil {
		return nil, fmt.Errorf("look for what is left of enclave %q: %w", name, err)
	}
	item := found[name]
	if item == nil || len(item.Objects) == 0 {
		return nil, nil //nolint:nilnil // That nothing is left is an ordinary answer.
	}
	return &item.Orphan, nil
}

// RemoveOrphan implements enclave.Tidy. Nobody can make an enclave of the name meanwhile.
func (b *Backend) RemoveOrphan(ctx context.Context, name string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	unlock, err := b.acquire(ctx, conn, name, lockCreation, "the removal of what was left behind")
	if err != nil {
		return err
	}
	err = b.removeOrphan(ctx, conn, name)
	unlock()
	if err == nil {
		err = conn.removeEmptyImage(ctx)
	}
	if err != nil {
		return fmt.Errorf("remove what was left of enclave %q: %w", name, err)
	}
	return nil
}

func (b *Backend) removeOrphan(ctx context.Context, conn *connection, name string) error {
	found, err := conn.leftBehind(ctx, ofEnclave(name))
	if err != nil {
		return err
	}
	item := found[name]
	if item == nil || len(item.Objects) == 0 {
		return nil
	}
	item.making = false // The lock is our own.
	gone, err := conn.isOrphan(ctx, item)
	if err != nil {
		return err
	}
	if !gone {
		return errors.New("it was left alone: an enclave of that name is there, or can be completed")
	}
	containers, err := conn.containersOf(ctx, ofEnclave(name))
	if err != nil {
		return err
	}
	// The store goes last here as well, and the locks of the dead with it.
	isLock := func(role string) bool { return role == roleLock }
	err = b.removeContents(ctx, conn, name, func(role string) bool { return role == roleStore || isLock(role) })
	if err == nil {
		err = b.removeDeadLocks(ctx, conn, containers)
	}
	if err == nil {
		err = conn.removeAllNotes(ctx, name)
	}
	if err == nil {
		err = conn.removeContainers(ctx, name, isLock)
	}
	return err
}

// isOrphan tells whether nobody can get back what is left. With its store, an enclave that lacks its network is made
// whole by its owner's next apply, so its services and persistent directories are not touched, unless its removal has begun.
func (c *connection) isOrphan(ctx context.Context, item *left) (bool, error) {
	if item.making || len(item.Objects) == 0 {
		return false, nil
	}
	if item.store && item.data {
		return c.isDoomed(ctx, item.Name)
	}
	_, err := c.enclave(ctx, item.Name)
	if errors.Is(err, enclave.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// leftBehind gathers what carries labels by enclave. Containers come last: whoever was making one of the networks is then
// still seen to hold the lock, or the enclave is whole.
func (c *connection) leftBehind(ctx context.Context, labels string) (map[string]*left, error) {
	found := map[string]*left{}
	note := func(labels map[string]string, object string, created time.Time) *left {
		name := labels[enclave.LabelEnclave]
		if name == "" {
			return &left{}
		}
		item := found[name]
		if item == nil {
			item = &left{Orphan: enclave.Orphan{Name: name}}
			found[name] = item
		}
		if object != "" {
			item.Objects = append(item.Objects, object)
			slices.Sort(item.Objects)
		}
		if item.Owner == "" {
			item.Owner = labels[enclave.LabelOwner]
		}
		if item.CreatedAt.IsZero() || created.Before(item.CreatedAt) {
			item.CreatedAt = created.UTC()
		}
		return item
	}
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(labels)})
	if err != nil {
		return nil, c.translate(err)
	}
	for _, item := range networks.Items {
		note(item.Labels, "network "+item.Name, item.Created)
	}
	volumes, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: withLabels(labels)})
	if err != nil {
		return nil, c.translate(err)
	}
	for _, item := range volumes.Items {
		found := note(item.Labels, "volume "+item.Name, parseTime(item.CreatedAt))
		found.data = found.data || item.Labels[enclave.LabelRole] == roleVolume
	}
	images, err := c.ImageList(ctx, client.ImageListOptions{Filters: withLabels(labels, ofRole(roleArtifact))})
	if err != nil {
		return nil, c.translate(err)
	}
	for _, item := range images.Items {
		note(item.Labels, "image of artifact "+item.Labels[enclave.LabelDigest], time.Unix(item.Created, 0))
	}
	containers, err := c.containersOf(ctx, labels)
	if err != nil {
		return nil, err
	}
	for _, item := range containers {
		created := time.Unix(item.Created, 0)
		switch item.Labels[enclave.LabelRole] {
		case roleLock:
			alive, known := holderAlive(item.Labels)
			noted := note(item.Labels, "", created)
			noted.making = noted.making || alive || !known
		case roleStore:
			note(item.Labels, "container "+containerName(item), created).store = true
		case roleArtifact:
			note(item.Labels, "container "+containerName(item), created)
		default:
			note(item.Labels, "container "+containerName(item), created).data = true
		}
	}
	return found, nil
}
