package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// What has to be remembered of an enclave stands in notes: small texts with a path. A note is a volume that no container
// mounts; labels hold its path, its version and its content. The engine makes a volume, labels and all, in about a
// millisecond and lists those of an enclave in less, while a copy into a container, or out of it, costs Docker 20.10 a
// process each time: a tenth of what starting a service costs. Labels cannot be changed, so writing a note makes a further
// volume and then removes the one before; of two that are there, because somebody was killed in between, the later counts.

// The folders of notes.
const (
	folderState   = "state"   // what Observe reads: the enclave itself and which services were stopped on purpose
	folderRecords = "records" // records by name
	folderIndex   = "index"   // which artifacts are complete
	folderLarge   = "large"   // which artifacts have an image of their own
	folderImages  = "images"  // images that were built for the enclave
)

const (
	labelNote    = enclave.LabelPrefix + "note"         // a note's path
	labelVersion = enclave.LabelPrefix + "note-version" // a number that grows with each version
	labelContent = enclave.LabelPrefix + "note-content" // packed
	labelFile    = enclave.LabelPrefix + "note-file"    // where the content is in the store, if it is too large for a label
)

// noteWrites bounds how many notes are written at the same time.
const noteWrites = 8

// note is what a note says. One whose content is nil is to be removed.
type note struct {
	path    string
	content []byte
}

// keptNote is a note as the engine has it.
type keptNote struct {
	volume, path, content, file string
	version                     int64
}

// noteList is what an enclave's notes were at one moment.
type noteList struct {
	newest map[string]keptNote
	// outdated are versions that have a later one.
	outdated []keptNote
}

// allNotes asks for all notes of an enclave; one that is not there has none.
func (c *connection) allNotes(ctx context.Context, name string) (*noteList, error) {
	return sharedOf[*noteList](&c.notes, name).ask(ctx, func(ctx context.Context) (*noteList, error) {
		volumes, err := c.noteVolumes(ctx, name)
		if err != nil {
			return nil, err
		}
		list := &noteList{newest: map[string]keptNote{}}
		for _, item := range volumes {
			kept, whole := keptNoteOf(item)
			if !whole {
				continue
			}
			switch other, found := list.newest[kept.path]; {
			case !found:
				list.newest[kept.path] = kept
			case kept.isLaterThan(other):
				list.newest[kept.path] = kept
				list.outdated = append(list.outdated, other)
			default:
				list.outdated = append(list.outdated, kept)
			}
		}
		return list, nil
	})
}

// noteVolumes lists the volumes of notes by name: an engine that was killed as it made one may have left it without labels.
func (c *connection) noteVolumes(ctx context.Context, name string) ([]volume.Volume, error) {
	result, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: client.Filters{}.Add("name", "^"+regexp.QuoteMeta(notePrefix(name)))})
	if err != nil {
		return nil, fmt.Errorf("list the notes of enclave %q: %w", name, c.translate(err))
	}
	return result.Items, nil
}

// keptNoteOf reports false for a volume that is no whole note.
func keptNoteOf(item volume.Volume) (keptNote, bool) {
	version, err := strconv.ParseInt(item.Labels[labelVersion], 10, 64)
	kept := keptNote{volume: item.Name, path: item.Labels[labelNote], content: item.Labels[labelContent], file: item.Labels[labelFile], version: version}
	return kept, err == nil && kept.path != ""
}

// isLaterThan orders versions; two that were written at the same time by two who did not know of each other are ordered
// somehow, so that everybody sees the same.
func (n keptNote) isLaterThan(other keptNote) bool {
	return n.version > other.version || n.version == other.version && n.volume > other.volume
}

// isThere tells whether there is an enclave that these are the notes of, whole or not.
func (l *noteList) isThere() bool {
	_, found := l.newest[noteEnclave]
	return found
}

// readNotes gives the notes of a folder by path below it. Those of an enclave that is not there are ErrNotFound.
func (c *connection) readNotes(ctx context.Context, name, folder string) (map[string][]byte, error) {
	list, err := c.allNotes(ctx, name)
	if err != nil {
		return nil, err
	}
	if !list.isThere() {
		return nil, noEnclave(name)
	}
	contents := map[string][]byte{}
	for path, kept := range list.newest {
		below, found := strings.CutPrefix(path, folder+"/")
		if !found {
			continue
		}
		content, err := c.noteContent(ctx, name, kept)
		if errors.Is(err, errLostNote) {
			continue
		}
		if err != nil {
			return nil, err
		}
		contents[below] = content
	}
	return contents, nil
}

// readNote gives one note, and whether there is one. Of an enclave that is not there it is ErrNotFound.
func (c *connection) readNote(ctx context.Context, name, path string) (content []byte, found bool, err error) {
	for {
		list, err := c.allNotes(ctx, name)
		if err == nil && !list.isThere() {
			err = noEnclave(name)
		}
		kept, found := keptNote{}, false
		if err == nil {
			kept, found = list.newest[path]
		}
		if err != nil || !found {
			return nil, false, err
		}
		content, err := c.noteContent(ctx, name, kept)
		if err == nil || errors.Is(err, errLostNote) {
			return content, err == nil, nil
		}
		// A large one is emptied once there is a later version.
		again, failure := c.allNotes(ctx, name)
		if failure != nil || kept.file == "" || again.newest[path].volume == kept.volume {
			return nil, false, err
		}
	}
}

// writeNotes writes notes of an enclave that is there. Nobody else may write the same ones at the same time.
func (c *connection) writeNotes(ctx context.Context, name string, notes ...note) error {
	before, err := c.allNotes(ctx, name)
	if err == nil && !before.isThere() {
		err = noEnclave(name)
	}
	if err == nil {
		err = c.putNotes(ctx, name, before, notes)
	}
	if err != nil {
		return fmt.Errorf("write notes of enclave %q: %w", name, err)
	}
	return nil
}

// putNotes writes notes, knowing what was there before, and removes what they replace. If the enclave has been removed
// meanwhile, they go with it: whoever removes it looks for notes once more at the end.
func (c *connection) putNotes(ctx context.Context, name string, before *noteList, notes []note) error {
	made := make([]string, len(notes))
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(noteWrites)
	for i, item := range notes {
		group.Go(func() (err error) {
			if item.content != nil {
				made[i], err = c.makeNote(groupContext, name, item, before.newest[item.path].version)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	now, err := c.allNotes(ctx, name)
	if err != nil {
		return err
	}
	remove := func(doomed []keptNote) error {
		return removeAll(doomed, func(kept keptNote) error { return c.removeNote(ctx, name, kept) })
	}
	if !now.isThere() {
		ours := slices.DeleteFunc(slices.Collect(maps.Values(now.newest)), func(kept keptNote) bool { return !slices.Contains(made, kept.volume) })
		return errors.Join(noEnclave(name), remove(ours))
	}
	// The latest goes last: the one before it must not count again.
	if err := remove(now.outdated); err != nil {
		return err
	}
	var removed []keptNote
	for _, item := range notes {
		if kept, found := now.newest[item.path]; found && item.content == nil {
			removed = append(removed, kept)
		}
	}
	return remove(removed)
}

// makeNote makes one version of a note. Its name is one that nobody else gives: making a volume of a name that is taken
// succeeds, with the labels of before.
func (c *connection) makeNote(ctx context.Context, name string, item note, before int64) (volume string, err error) {
	var random [6]byte
	_, _ = rand.Read(random[:]) // It never fails (crypto/rand).
	volume = fmt.Sprintf("%s%016x.%s", notePrefix(name), hash64(item.path), hex.EncodeToString(random[:]))
	labels := map[string]string{labelNote: item.path, labelVersion: strconv.FormatInt(max(time.Now().UnixNano(), before+1), 10)}
	if err := c.packNote(ctx, name, volume, item.content, labels); err != nil {
		return "", err
	}
	if _, err := c.VolumeCreate(ctx, client.VolumeCreateOptions{Name: volume, Labels: objectLabels(name, roleNote, labels)}); err != nil {
		return "", c.translate(err)
	}
	return volume, nil
}

// removeNote removes a version of a note. One of somebody else's that is gone already is as good.
func (c *connection) removeNote(ctx context.Context, name string, kept keptNote) error {
	if err := c.removeVolume(ctx, kept.volume); err != nil {
		return err
	}
	return c.emptyNoteFile(ctx, name, kept)
}

// removeAllNotes removes all notes of an enclave of which nothing else is left but its store. The one of the enclave itself
// goes last, so that nobody takes up the others; what somebody has written meanwhile goes after it.
func (c *connection) removeAllNotes(ctx context.Context, name string) error {
	for {
		volumes, err := c.noteVolumes(ctx, name)
		if err != nil || len(volumes) == 0 {
			return err
		}
		others := slices.DeleteFunc(slices.Clone(volumes), isEnclaveNote)
		if len(others) == 0 {
			others = volumes
		}
		if err := removeAll(others, func(item volume.Volume) error { return c.removeVolume(ctx, item.Name) }); err != nil {
			return err
		}
	}
}

func isEnclaveNote(item volume.Volume) bool { return item.Labels[labelNote] == noteEnclave }
