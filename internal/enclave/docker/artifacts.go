package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// A small artifact is one tar file in the store. A note that is written after it tells that it is complete. A large one is an image of its own (artifact_images.go), which the engine copies from by itself; a note
// that is written after it, too, saves looking through all images of the engine.

// smallArtifact is the size of a tar stream up to which an artifact is kept in the store, and in memory while it is
// handled: for the many small ones of a package fewer calls count, for a large one that it is copied inside the engine.
const smallArtifact = 4 << 20

func artifactFile(digest string) string { return folderArtifacts + "/" + digest + ".tar" }
func indexNote(digest string) string    { return folderIndex + "/" + digest }
func largeNote(digest string) string    { return folderLarge + "/" + digest }

// PutArtifact implements enclave.Artifacts. The content is streamed: what is more than a small artifact goes to the
// engine as it comes.
func (b *Backend) PutArtifact(ctx context.Context, name, digest string, content func(io.Writer) error) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := b.putArtifact(ctx, conn, name, digest, content); err != nil {
		return fmt.Errorf("store artifact %s in enclave %q: %w", digest, name, err)
	}
	return nil
}

func (b *Backend) putArtifact(ctx context.Context, conn *connection, name, digest string, content func(io.Writer) error) error {
	stored, err := conn.hasSmall(ctx, name, digest)
	if err != nil || stored {
		return err
	}
	large := &largeWriter{limit: smallArtifact, open: func() (abortable, error) {
		found, err := conn.hasImage(ctx, artifactImage(name, digest, own{}))
		if err != nil {
			return nil, err
		}
		if found {
			return nil, errStored
		}
		return conn.importArtifact(ctx, name, digest, own{}), nil
	}}
	err = content(large)
	if large.rest != nil {
		err = large.end(err)
	}
	if large.rest != nil && err == nil || errors.Is(err, errStored) {
		return conn.writeNotes(ctx, name, note{largeNote(digest), []byte(noted)})
	}
	if err != nil {
		return err
	}
	if err := conn.putSmall(ctx, name, digest, large.head.Bytes()); err != nil {
		return err
	}
	b.small.put(name, digest, large.head.Bytes())
	return nil
}

// noted is what stands in a note that says no more than that it is there.
const noted = "1"

// errStored stops whoever writes an artifact that is there already.
var errStored = errors.New("the artifact is stored already")

// largeWriter keeps what is written as long as it is little, and passes all of it on once it is more.
type largeWriter struct {
	limit int
	open  func() (abortable, error)
	head  bytes.Buffer
	rest  abortable
}

// abortable is a stream that can be given up, so that nothing of it counts.
type abortable interface {
	io.WriteCloser
	// abort gives up for a reason. Its error is why the stream itself had failed before.
	abort(reason error) error
}

// Write implements io.Writer.
func (w *largeWriter) Write(data []byte) (int, error) {
	if w.rest != nil {
		return w.rest.Write(data)
	}
	if w.head.Len()+len(data) <= w.limit {
		return w.head.Write(data)
	}
	rest, err := w.open()
	if err != nil {
		return 0, err
	}
	w.rest = rest
	if _, err := w.rest.Write(w.head.Bytes()); err != nil {
		return 0, err
	}
	w.head = bytes.Buffer{}
	return w.rest.Write(data)
}

// end ends what was passed on: with an error nothing of it must count.
func (w *largeWriter) end(err error) error {
	if err == nil {
		return w.rest.Close()
	}
	if failure := w.rest.abort(err); failure != nil && !errors.Is(err, failure) {
		return errors.Join(err, failure)
	}
	return err
}

func (c *connection) putSmall(ctx context.Context, name, digest string, content []byte) error {
	if err := c.putFiles(ctx, name, storeFile{artifactFile(digest), content}); err != nil {
		return err
	}
	return c.writeNotes(ctx, name, note{indexNote(digest), []byte(noted)})
}

// hasSmall tells whether a small artifact is complete; ErrNotFound if the enclave is not there.
func (c *connection) hasSmall(ctx context.Context, name, digest string) (bool, error) {
	_, found, err := c.readNote(ctx, name, indexNote(digest))
	if err != nil {
		return false, fmt.Errorf("look for artifact %s in enclave %q: %w", digest, name, err)
	}
	return found, nil
}

// Artifact implements enclave.Artifacts.
func (b *Backend) Artifact(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	stream, err := b.openArtifact(ctx, conn, name, digest)
	if err != nil {
		return nil, fmt.Errorf("read artifact %s of enclave %q: %w", digest, name, err)
	}
	return stream, nil
}

// openArtifact streams an artifact of any size.
func (b *Backend) openArtifact(ctx context.Context, conn *connection, name, digest string) (io.ReadCloser, error) {
	content, err := b.readSmall(ctx, conn, name, digest)
	if err == nil {
		return io.NopCloser(bytes.NewReader(content)), nil
	}
	if !errors.Is(err, errNotSmall) {
		return nil, err
	}
	found, err := conn.hasImage(ctx, artifactImage(name, digest, own{}))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, enclave.ErrNotFound
	}
	return conn.readImage(ctx, name, artifactImage(name, digest, own{}))
}

// errNotSmall tells that an artifact is not in the store: it is large, or not there.
var errNotSmall = errors.New("no small artifact")

// readSmall reads a small artifact, from memory if it was handled before: equal digests are equal contents.
func (b *Backend) readSmall(ctx context.Context, conn *connection, name, digest string) ([]byte, error) {
	if content, found := b.small.get(name, digest); found {
		return content, nil
	}
	stored, err := conn.hasSmall(ctx, name, digest)
	if err != nil {
		return nil, err
	}
	if !stored {
		return nil, errNotSmall
	}
	result, err := conn.CopyFromContainer(ctx, storeName(name), client.CopyFromContainerOptions{SourcePath: "/" + artifactFile(digest)})
	if err != nil {
		return nil, conn.translate(err)
	}
	defer result.Content.Close() //nolint:errcheck // It was read to the end or is of no use any more.
	archive := tar.NewReader(result.Content)
	header, err := archive.Next()
	if err != nil {
		return nil, conn.translate(err)
	}
	if header.Size > smallArtifact {
		// An earlier version kept artifacts of any size here.
		return nil, errors.New("it was stored whole, by an earlier version: remove the enclave and make it again")
	}
	content := make([]byte, header.Size)
	if _, err := io.ReadFull(archive, content); err != nil {
		return nil, conn.translate(err)
	}
	b.small.put(name, digest, content)
	return content, nil
}

// ListArtifacts implements enclave.Artifacts.
func (b *Backend) ListArtifacts(ctx context.Context, name string) ([]string, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	small, err := conn.readNotes(ctx, name, folderIndex)
	if err != nil {
		return nil, fmt.Errorf("list artifacts: %w", err)
	}
	large, err := conn.readNotes(ctx, name, folderLarge)
	if err != nil {
		return nil, fmt.Errorf("list artifacts: %w", err)
	}
	digests := []string{}
	if len(small) > 0 {
		stored, err := conn.hasStore(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("list artifacts: %w", err)
		}
		if stored {
			digests = slices.AppendSeq(digests, maps.Keys(small))
		}
	}
	kept, err := conn.keptImages(ctx, name, large)
	if err != nil {
		return nil, fmt.Errorf("list artifacts: %w", err)
	}
	digests = append(digests, kept...)
	slices.Sort(digests)
	return slices.Compact(digests), nil
}

// imageQuestions bounds how many images are asked for at the same time.
const imageQuestions = 8

// keptImages gives those of the large artifacts in the notes whose image is still there: `docker image prune --all`
// takes them away, as no container stands on them.
func (c *connection) keptImages(ctx context.Context, name string, notes map[string][]byte) ([]string, error) {
	var mutex sync.Mutex
	var kept []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(imageQuestions)
	for digest := range notes {
		group.Go(func() error {
			found, err := c.hasImage(ctx, artifactImage(name, digest, own{}))
			if found {
				mutex.Lock()
				defer mutex.Unlock()
				kept = append(kept, digest)
			}
			return err
		})
	}
	err := group.Wait()
	return kept, err
}

// RemoveArtifacts implements enclave.Artifacts.
func (b *Backend) RemoveArtifacts(ctx context.Context, name string, digests []string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := b.removeArtifacts(ctx, conn, name, digests); err != nil {
		return fmt.Errorf("remove artifacts of enclave %q: %w", name, err)
	}
	return nil
}

func (b *Backend) removeArtifacts(ctx context.Context, conn *connection, name string, digests []string) error {
	stored, err := conn.readNotes(ctx, name, folderIndex)
	if err != nil {
		return err
	}
	notes, err := conn.readNotes(ctx, name, folderLarge)
	if err != nil {
		return err
	}
	large, err := conn.artifactImages(ctx, ofEnclave(name))
	if err != nil {
		return err
	}
	var outdated []note
	var emptied []storeFile
	var images []string
	for _, digest := range digests {
		b.small.drop(name, digest)
		if _, found := stored[digest]; found {
			outdated, emptied = append(outdated, note{path: indexNote(digest)}), append(emptied, storeFile{path: artifactFile(digest)})
		}
		if _, found := notes[digest]; found {
			outdated = append(outdated, note{path: largeNote(digest)})
		}
		images = append(images, large[digest]...)
	}
	if len(outdated) > 0 {
		err = conn.writeNotes(ctx, name, outdated...)
	}
	if err == nil && len(emptied) > 0 {
		err = conn.putFiles(ctx, name, emptied...)
	}
	return errors.Join(err, conn.removeArtifactImages(ctx, images))
}
