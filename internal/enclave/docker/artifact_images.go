package docker

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
)

// A large artifact is an image with one layer, which the engine makes out of the stream: whole, or not at all. A
// container of that image, which is never started, gives its files back; and when an empty volume stands at the folder,
// the engine fills the volume with the folder's files as it makes the container. That is a copy inside of the engine,
// about ten times as fast as through its interface, and needs no process.

// contentFolder is where an artifact's files are in its image.
const contentFolder = "content"

// artifactImage is the name of the image of an artifact as one owner sees it.
func artifactImage(name, digest string, as own) string {
	return "sundog/artifact-" + name + ":" + digest + as.suffix()
}

func (c *connection) hasImage(ctx context.Context, image string) (bool, error) {
	_, err := c.ImageInspect(ctx, image)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, c.translate(err)
}

// importArtifact makes the image of an artifact out of the tar stream that is written. Only what was closed without an
// error counts.
func (c *connection) importArtifact(ctx context.Context, name, digest string, as own) *artifactImport {
	reader, writer := io.Pipe()
	started := &artifactImport{PipeWriter: writer, done: make(chan error, 1)}
	go func() {
		result := c.importContent(ctx, artifactImage(name, digest, as), artifactLabels(name, digest), as, reader)
		err := result
		// Whoever still writes learns that nobody reads any more.
		if err == nil {
			err = io.ErrClosedPipe
		}
		reader.CloseWithError(err)
		started.done <- result
	}()
	return started
}

// artifactImport is an image in the making.
type artifactImport struct {
	*io.PipeWriter
	done chan error
}

// Close waits until the image is made.
func (i *artifactImport) Close() error {
	_ = i.PipeWriter.Close() // It never fails.
	return <-i.done
}

// abort implements abortable.
func (i *artifactImport) abort(reason error) error {
	_ = i.CloseWithError(reason) // It never fails.
	switch err := <-i.done; {
	case err == nil:
		return errors.New("the engine took a stream that was cut off for a whole one")
	case errors.Is(err, reason):
		return nil
	default:
		return err
	}
}

func artifactLabels(name, digest string) map[string]string {
	return objectLabels(name, roleArtifact, map[string]string{enclave.LabelDigest: digest})
}

func (c *connection) importContent(ctx context.Context, image string, labels map[string]string, as own, content io.Reader) error {
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		archive := tar.NewWriter(writer)
		err := as.pack(archive, contentFolder, content)
		if err == nil {
			// What follows the end of the archive belongs to it, and whoever writes must be able to.
			_, err = io.Copy(io.Discard, content)
		}
		if err == nil {
			err = archive.Close()
		}
		writer.CloseWithError(err)
		done <- err
	}()
	changes := make([]string, 0, len(labels))
	for key, value := range labels {
		changes = append(changes, fmt.Sprintf("LABEL %q=%q", key, value))
	}
	result, err := c.ImageImport(ctx, client.ImageImportSource{Source: reader, SourceName: "-"}, image, client.ImageImportOptions{Changes: changes})
	if err == nil {
		err = errors.Join(readProgress(result), result.Close())
	}
	reader.CloseWithError(io.ErrClosedPipe)
	if writeErr := <-done; writeErr != nil && !errors.Is(writeErr, io.ErrClosedPipe) {
		return writeErr
	}
	return c.translate(err)
}

// readProgress reads the engine's messages to their end; one of them may be an error.
func readProgress(stream io.Reader) error {
	decoder := json.NewDecoder(stream)
	for {
		var message jsonstream.Message
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case message.Error != nil:
			return errors.New(message.Error.Message)
		}
	}
}

// prepare makes sure that the image of an artifact as an owner sees it is there. It is made once, out of the artifact's
// own image, and serves every service of the enclave that sees it so.
func (b *Backend) prepare(ctx context.Context, conn *connection, name, digest string, as own) (image string, err error) {
	image = artifactImage(name, digest, as)
	defer b.prepared.lock(image)()
	found, err := conn.hasImage(ctx, image)
	if err != nil {
		return "", err
	}
	if found {
		return image, nil
	}
	if as.isPlain() {
		return "", enclave.ErrNotFound
	}
	plain := artifactImage(name, digest, own{})
	if found, err = conn.hasImage(ctx, plain); err != nil {
		return "", err
	}
	if !found {
		return "", enclave.ErrNotFound
	}
	content, err := conn.readImage(ctx, name, plain)
	if err != nil {
		return "", err
	}
	err = conn.importContent(ctx, image, artifactLabels(name, digest), as, content)
	return image, errors.Join(err, content.Close())
}

// fillFromImage fills an empty volume with an artifact's files, owner and all.
func (c *connection) fillFromImage(ctx context.Context, name, image, volume string) error {
	id, err := c.createReader(ctx, name, image, volume)
	if err != nil {
		return err
	}
	return c.removeReader(ctx, id)
}

// readImage streams the files of an artifact's image. The engine locks the container until the stream was read or closed,
// and removes no image of anybody meanwhile; so whoever reads must not dawdle.
func (c *connection) readImage(ctx context.Context, name, image string) (io.ReadCloser, error) {
	id, err := c.createReader(ctx, name, image, "")
	if err != nil {
		return nil, err
	}
	result, err := c.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: "/" + contentFolder})
	if err != nil {
		return nil, errors.Join(c.translate(err), c.removeReader(ctx, id))
	}
	return &imageReader{ReadCloser: stripFolder(result.Content), end: func() error { return c.removeReader(ctx, id) }}, nil
}

// imageReader removes the container that it reads from when it is closed.
type imageReader struct {
	io.ReadCloser
	end func() error
}

// Close ends the stream and removes the container.
func (r *imageReader) Close() error { return errors.Join(r.ReadCloser.Close(), r.end()) }

// createReader makes a container of an artifact's image, which is never started.
func (c *connection) createReader(ctx context.Context, name, image, volume string) (id string, err error) {
	process, err := json.Marshal(lockholder.This())
	if err != nil {
		return "", err
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // It never fails (crypto/rand).
	host := &container.HostConfig{NetworkMode: "none", LogConfig: container.LogConfig{Type: "none"}}
	if volume != "" {
		host.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: volume, Target: "/" + contentFolder}}
	}
	created, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: readerPrefix(name) + hex.EncodeToString(random[:]),
		// The engine insists on a command, although none is ever run.
		Config: &container.Config{
			Image: image, Cmd: []string{"-"}, NetworkDisabled: true,
			Labels: objectLabels(name, roleArtifact, map[string]string{labelHolderProcess: string(process)}),
		},
		HostConfig: host,
	})
	if err != nil {
		return "", c.translate(err)
	}
	return created.ID, nil
}

func (c *connection) removeReader(ctx context.Context, id string) error {
	detached, cancel := detach(ctx)
	defer cancel()
	// Its volume stays: it has a name, and is another container's.
	return c.removeContainer(detached, id)
}

// artifactImages finds the images of large artifacts by digest, those without a name included.
func (c *connection) artifactImages(ctx context.Context, labels ...string) (map[string][]string, error) {
	found, err := c.ImageList(ctx, client.ImageListOptions{Filters: withLabels(append(labels, ofRole(roleArtifact))...)})
	if err != nil {
		return nil, fmt.Errorf("list the images of artifacts: %w", c.translate(err))
	}
	images := map[string][]string{}
	for _, item := range found.Items {
		digest := item.Labels[enclave.LabelDigest]
		references := []string{item.ID}
		for _, tag := range item.RepoTags {
			if strings.HasPrefix(tag, "sundog/artifact-") {
				references = append([]string{tag}, references...)
			}
		}
		images[digest] = append(images[digest], references...)
	}
	return images, nil
}

// removeArtifactImages removes images by name or ID. One that is gone already is success, as the last name of an image
// takes the image with it. The engine waits for whoever reads one just now; without force, the container that
// it is read from would be a reason to refuse.
func (c *connection) removeArtifactImages(ctx context.Context, images []string) error {
	var failures []error
	for _, image := range images {
		_, err := c.ImageRemove(ctx, image, client.ImageRemoveOptions{Force: true, PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) {
			failures = append(failures, fmt.Errorf("remove image %s: %w", image, c.translate(err)))
		}
	}
	return errors.Join(failures...)
}

// removeAllArtifactImages removes the images of an enclave's large artifacts.
func (c *connection) removeAllArtifactImages(ctx context.Context, name string) error {
	images, err := c.artifactImages(ctx, ofEnclave(name))
	if err != nil {
		return err
	}
	var all []string
	for _, references := range images {
		all = append(all, references...)
	}
	return c.removeArtifactImages(ctx, all)
}

// inFolder gives an archive's name below a folder; nothing can lead out of it.
func inFolder(folder, name string) string { return path.Join(folder, path.Clean("/"+name)) }
