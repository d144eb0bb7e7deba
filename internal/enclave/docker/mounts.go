package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// fillMounts puts artifacts into the volumes of a container that has not been started, and moves files to their final
// places. Copying into such a container works on its volumes and its root file system.
func (b *Backend) fillMounts(ctx context.Context, conn *connection, id string, request enclave.ServiceRequest, chosen placement) error {
	for _, mountPath := range slices.Sorted(maps.Keys(request.Spec.Files)) {
		mount := request.Spec.Files[mountPath]
		filler := &filler{Backend: b, conn: conn, id: id, name: chosen.enclave, path: mountPath}
		var err error
		if filler.digests, err = digestsOf(mount, request.Artifacts); err != nil {
			return fmt.Errorf("files at %s: %w", mountPath, err)
		}
		if filler.as, err = b.ownOf(ctx, conn, id, request, mount); err != nil {
			return fmt.Errorf("files at %s: %w", mountPath, err)
		}
		if mount.PersistentKey != "" {
			err = filler.persistent(ctx, mount, chosen.fresh[mountPath])
		} else {
			err = filler.fill(ctx, chosen.volumes[mountPath])
		}
		if err != nil {
			return fmt.Errorf("files at %s: %w", mountPath, err)
		}
	}
	for _, source := range slices.Sorted(maps.Keys(request.Spec.FilesToBeMoved)) {
		target := request.Spec.FilesToBeMoved[source]
		if err := conn.copyBetween(ctx, id, source, id, target); err != nil {
			return fmt.Errorf("move %s to %s: %w", source, target, err)
		}
	}
	return nil
}

// mountedContent is one artifact at a mount.
type mountedContent struct{ artifact, digest string }

// digestsOf gives what is put at a mount, in order.
func digestsOf(mount plan.Mount, artifacts map[string]string) ([]mountedContent, error) {
	names := mount.Mounted()
	contents := make([]mountedContent, len(names))
	for i, artifact := range names {
		digest, found := artifacts[artifact]
		if !found {
			return nil, fmt.Errorf("artifact %q is not known", artifact)
		}
		contents[i] = mountedContent{artifact, digest}
	}
	return contents, nil
}

// filler fills one mount of a container.
type filler struct {
	*Backend
	conn    *connection
	id      string // of the container
	name    string // of the enclave
	path    string
	as      own
	digests []mountedContent
}

// fill puts artifacts into a mount, one after another. A volume that is still empty is filled with a large artifact by
// the engine itself; empty names none.
func (f *filler) fill(ctx context.Context, empty string) error {
	if len(f.digests) == 0 {
		return f.extract(ctx)
	}
	for i, content := range f.digests {
		volume := ""
		if i == 0 {
			volume = empty
		}
		if err := f.put(ctx, content.digest, volume); err != nil {
			return fmt.Errorf("artifact %q: %w", content.artifact, err)
		}
	}
	return nil
}

func (f *filler) put(ctx context.Context, digest, empty string) error {
	small, err := f.readSmall(ctx, f.conn, f.name, digest)
	if err == nil {
		return f.extract(ctx, bytes.NewReader(small))
	}
	if !errors.Is(err, errNotSmall) {
		return err
	}
	if empty != "" {
		image, err := f.prepare(ctx, f.conn, f.name, digest, f.as)
		if err != nil {
			return err
		}
		return f.conn.fillFromImage(ctx, f.name, image, empty)
	}
	content, err := f.openArtifact(ctx, f.conn, f.name, digest)
	if err != nil {
		return err
	}
	return errors.Join(f.extract(ctx, content), content.Close())
}

// extract unpacks tar streams at the mount, where a volume stands. The mount's own folder is an entry too, so that it
// gets its owner.
func (f *filler) extract(ctx context.Context, contents ...io.Reader) error {
	return f.conn.copyInto(ctx, f.id, path.Dir(f.path), func(archive *tar.Writer) error {
		return f.as.pack(archive, path.Base(f.path), contents...)
	})
}

// copyInto streams an archive into a folder of a container.
func (c *connection) copyInto(ctx context.Context, id, folder string, write func(*tar.Writer) error) error {
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		archive := tar.NewWriter(writer)
		err := write(archive)
		if err == nil {
			err = archive.Close()
		}
		writer.CloseWithError(err)
		done <- err
	}()
	_, err := c.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: folder, Content: reader, AllowOverwriteDirWithFile: true})
	// The writer must end before its sources are closed.
	reader.CloseWithError(io.ErrClosedPipe)
	writeErr := <-done
	if writeErr != nil && !errors.Is(writeErr, io.ErrClosedPipe) {
		return writeErr
	}
	return c.translate(err)
}

// copyBetween copies a file or a folder from one container to another, under another name if need be. Neither has to
// run.
func (c *connection) copyBetween(ctx context.Context, from, source, to, target string) error {
	parent, err := c.existingParent(ctx, to, path.Dir(target))
	if err != nil {
		return err
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(path.Clean(target), parent), "/")
	result, err := c.CopyFromContainer(ctx, from, client.CopyFromContainerOptions{SourcePath: source})
	if err != nil {
		return c.translate(err)
	}
	// The engine locks a container while it is read from, and both may be the same one; so it is read to its end first.
	file, err := newSpool()
	if err != nil {
		result.Content.Close() //nolint:errcheck // It is of no use any more.
		return err
	}
	defer file.Close() //nolint:errcheck // It is removed with all that it holds.
	_, err = io.Copy(file, result.Content)
	if closeErr := result.Content.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return c.translate(err)
	}
	if _, err := file.rewind(); err != nil {
		return err
	}
	return c.copyInto(ctx, to, parent, func(archive *tar.Writer) error {
		if err := packFolders(archive, rest, map[string]bool{}); err != nil {
			return err
		}
		return eachEntry(file, func(header *tar.Header, body io.Reader) error {
			_, below, _ := strings.Cut(path.Clean(header.Name), "/")
			header.Name = path.Join(rest, below)
			return copyEntry(archive, header, body)
		})
	})
}

// existingParent finds the deepest folder on the way that is there. An archive that named it again would give it
// another mode.
func (c *connection) existingParent(ctx context.Context, id, folder string) (string, error) {
	for folder = path.Clean("/" + folder); folder != "/"; folder = path.Dir(folder) {
		_, err := c.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: folder})
		if err == nil {
			return folder, nil
		}
		if !errdefs.IsNotFound(err) {
			return "", c.translate(err)
		}
	}
	return "/", nil
}

// eachEntry visits the entries of a tar stream.
func eachEntry(content io.Reader, visit func(*tar.Header, io.Reader) error) error {
	archive := tar.NewReader(content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read an archive: %w", err)
		}
		if err := visit(header, archive); err != nil {
			return err
		}
	}
}

// copyEntry writes one entry with its content to another archive.
func copyEntry(archive *tar.Writer, header *tar.Header, body io.Reader) error {
	// Names and sizes may need another format than the one that they were read in.
	header.Format = tar.FormatUnknown
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(archive, body)
	return err
}

// spool is a temporary file that is gone when it is closed.
type spool struct{ *os.File }

func newSpool() (*spool, error) {
	file, err := os.CreateTemp("", "sundog-artifact-*")
	if err != nil {
		return nil, err
	}
	// Where the system allows it the name goes at once, so that nothing remains of a process that is killed.
	_ = os.Remove(file.Name())
	return &spool{file}, nil
}

// rewind goes back to the start and tells how much was written.
func (s *spool) rewind() (size int64, err error) {
	if size, err = s.Seek(0, io.SeekCurrent); err != nil {
		return 0, err
	}
	_, err = s.Seek(0, io.SeekStart)
	return size, err
}

// Close closes and removes the file.
func (s *spool) Close() error {
	err := s.File.Close()
	_ = os.Remove(s.Name()) // Usually it is gone already.
	return err
}
