package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"maps"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
)

// Copying out of a container and into one costs the engine a process each time (20.10: a tenth of what starting a service
// costs), while asking for the time of a folder costs nothing. So whatever is written stamps all folders on its way with
// one time that nobody else uses: as the folder's time of modification, and in a file in it. Who has read a folder, stamp
// and all, need not read it again while its time is that of the stamp. The engine is asked every time, so nothing that
// somebody else has written is missed; a write that was cut off leaves a stamp that does not agree, and an engine or a
// file system that keeps no such times never agrees, and then everything is read each time.

// stampFile holds the stamp of its folder.
const stampFile = ".stamp"

// notebook is what this process has read of one enclave's notes.
type notebook struct {
	// turn is held by whoever reads or writes.
	turn chan struct{}
	// files by path, as far as stamps vouch for them.
	files map[string][]byte
	// stamps by folder: everything below the folder is in files as long as its time is this.
	stamps map[string]string
}

// notebooks are ready as their zero value.
type notebooks struct{ byEnclave sync.Map }

// open gives the notebook of an enclave once it is the caller's turn.
func (n *notebooks) open(ctx context.Context, name string) (book *notebook, done func(), err error) {
	value, _ := n.byEnclave.LoadOrStore(name, &notebook{turn: make(chan struct{}, 1)})
	book, _ = value.(*notebook)
	select {
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case book.turn <- struct{}{}:
		return book, func() { <-book.turn }, nil
	}
}

// fill takes over what was read of all notes.
func (b *notebook) fill(files map[string][]byte) {
	b.files, b.stamps = files, map[string]string{}
	for file, content := range files {
		if path.Base(file) == stampFile {
			b.stamps[path.Dir(file)] = string(content)
		}
	}
}

// below gives the files of a folder by path below it.
func (b *notebook) below(folder string) map[string][]byte {
	files := map[string][]byte{}
	for file, content := range b.files {
		if rest, found := strings.CutPrefix(file, folder+"/"); found && path.Base(file) != stampFile {
			files[rest] = content
		}
	}
	return files
}

// vouching gives the nearest folder whose stamp vouches for a folder, with that stamp; empty if there is none.
func (b *notebook) vouching(folder string) (nearest, stamp string) {
	for nearest = folder; nearest != "." && nearest != "/"; nearest = path.Dir(nearest) {
		if stamp = b.stamps[nearest]; stamp != "" {
			return nearest, stamp
		}
	}
	return "", ""
}

// outdate forgets the stamps that vouched for a folder that is written to.
func (b *notebook) outdate(folder string) {
	for ; folder != "." && folder != "/"; folder = path.Dir(folder) {
		delete(b.stamps, folder)
	}
}

// wrote takes over what was written into a folder that was known. Whole tells that all notes were, and that nobody else
// writes any.
func (b *notebook) wrote(folder, stamp string, files []storeFile, whole bool) {
	changed := maps.Clone(b.files)
	if changed == nil {
		changed = map[string][]byte{}
	}
	for _, file := range files {
		changed[file.path] = file.content
	}
	b.files = changed
	b.stamps[folder] = stamp
	if !whole {
		return
	}
	for _, outer := range foldersOf(folder) {
		b.stamps[outer] = stamp
	}
}

// stampClock makes stamps differ within a process even where its clock is coarse.
type stampClock struct {
	mutex sync.Mutex
	last  time.Time
}

func (c *stampClock) next() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := time.Now()
	if !now.After(c.last) {
		now = c.last.Add(time.Nanosecond)
	}
	c.last = now
	return now
}

func stampText(moment time.Time) string { return strconv.FormatInt(moment.UnixNano(), 10) }

// current asks the engine whether what a notebook holds of a folder is what the store holds, and gives the folder that
// vouches for it; empty if it is not, or if that is not certain.
func (c *connection) current(ctx context.Context, name, folder string, book *notebook) string {
	nearest, stamp := book.vouching(folder)
	if stamp == "" {
		return ""
	}
	stat, err := c.ContainerStatPath(ctx, storeName(name), client.ContainerStatPathOptions{Path: "/" + nearest})
	if err != nil || stampText(stat.Stat.Mtime) != stamp {
		return "" // What went wrong shows when the folder is read.
	}
	return nearest
}

// packNotes makes a tar archive of small files, in order, that stamps the folders on their way. The stamps come first: a
// write that is cut off must not leave an old one that agrees.
func packNotes(files []storeFile, stamp time.Time) ([]byte, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	made := map[string]bool{}
	write := func(header *tar.Header, content []byte) error {
		// Only this format has times of more than whole seconds.
		header.ModTime, header.Format, header.Size = stamp, tar.FormatPAX, int64(len(content))
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	}
	for _, file := range files {
		for _, folder := range foldersOf(file.path) {
			if made[folder] {
				continue
			}
			made[folder] = true
			if err := write(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755}, nil); err != nil {
				return nil, err
			}
			if isNote(folder) {
				if err := write(&tar.Header{Typeflag: tar.TypeReg, Name: folder + "/" + stampFile, Mode: 0o600}, []byte(stampText(stamp))); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, file := range files {
		if err := write(&tar.Header{Typeflag: tar.TypeReg, Name: file.path, Mode: 0o600}, file.content); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return buffer.Bytes(), err
}

// foldersOf gives the folders on the way to a file, the outermost first.
func foldersOf(file string) []string {
	var folders []string
	for i, letter := range file {
		if letter == '/' && i > 0 {
			folders = append(folders, file[:i])
		}
	}
	return folders
}

func isNote(folder string) bool {
	return folder == folderNotes || strings.HasPrefix(folder, folderNotes+"/")
}
