package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// A persistent directory is new until a container that mounts it is started for the first time; only until then it is
// seeded. That it is used is noted before the start, together with a mark that the volume got when it was made:
// a volume that somebody has removed by hand is made again, with another mark, and is new. The engine's own time of creation
// is no such mark, as it changes with every file.

// stateUsed is the folder of notes below folderState that holds, for each persistent directory that was used, the mark of its
// volume.
const stateUsed = "used"

// isFresh tells whether a persistent directory is new. One that lacks the label was made by an earlier version, which
// noted no use, and may hold data.
func isFresh(mark, used string) bool { return mark != "" && used != mark }

// persistent prepares a persistent directory: a new one gets its seed and its owner, any other one stays as it is.
func (f *filler) persistent(ctx context.Context, mount plan.Mount, fresh bool) error {
	switch {
	case !fresh:
		return nil
	case len(f.digests) > 0:
		return f.seed(ctx, mount.PersistentKey)
	case mount.Owner != nil || mount.Mode != 0:
		return f.extract(ctx)
	case f.as.isPlain():
		return nil
	}
	// Nobody but root could write to a folder that the image does not have, or has for root.
	bare, err := f.conn.isBareFolder(ctx, f.id, f.path)
	if err != nil || !bare {
		return err
	}
	return f.extract(ctx)
}

// seed fills a new persistent directory, unless another service of this process that mounts it has been started meanwhile.
func (f *filler) seed(ctx context.Context, key string) error {
	defer f.seeding.lock(f.name + "/" + key)()
	state, err := f.conn.observeState(ctx, f.name)
	if err != nil {
		return err
	}
	volume, err := f.conn.VolumeInspect(ctx, persistentPrefix(f.name)+key, client.VolumeInspectOptions{})
	if err != nil {
		return f.conn.translate(err)
	}
	if !isFresh(volume.Volume.Labels[labelTracked], state.used[key]) {
		return nil
	}
	// Not by the engine itself: it leaves a volume alone that a killed attempt has begun to fill.
	return f.fill(ctx, "")
}

// isBareFolder tells whether a folder of a container is empty and root's.
func (c *connection) isBareFolder(ctx context.Context, id, folder string) (bool, error) {
	result, err := c.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: folder})
	if err != nil {
		return false, c.translate(err)
	}
	defer result.Content.Close() //nolint:errcheck // It was read as far as it is needed.
	archive := tar.NewReader(result.Content)
	header, err := archive.Next()
	if err != nil {
		return false, c.translate(err)
	}
	if header.Uid != 0 || header.Gid != 0 {
		return false, nil
	}
	if _, err = archive.Next(); errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, c.translate(err)
}

// noteUse notes that a container's persistent directories are used, before it is started for the first time.
func (b *Backend) noteUse(ctx context.Context, conn *connection, name string, labels map[string]string) error {
	text := labels[labelPersistent]
	if text == "" {
		return nil
	}
	var directories map[string]string
	if err := json.Unmarshal([]byte(text), &directories); err != nil {
		return fmt.Errorf("label %s: %w", labelPersistent, err)
	}
	var notes []note
	for _, key := range slices.Sorted(maps.Keys(directories)) {
		// Whoever fills one just now has filled it before this container sees it.
		defer b.seeding.lock(name + "/" + key)()
		notes = append(notes, note{usedNote(key), []byte(directories[key])})
	}
	return conn.writeNotes(ctx, name, notes...)
}

func usedNote(key string) string { return folderState + "/" + stateUsed + "/" + key }

// persistentPrefix begins the names of the volumes of an enclave's persistent directories.
func persistentPrefix(name string) string { return "sundog-" + name + "_persistent_" }
