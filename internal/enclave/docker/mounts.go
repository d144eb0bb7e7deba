package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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
func (c *connection) fillMounts(ctx context.Context, id, name string, request enclave.ServiceRequest) error {
	spools := map[string]*spool{}
	defer func() {
		for _, spool := range spools {
			spool.Close() //nolint:errcheck // It is removed with all that it holds.
		}
	}()
	for _, mountPath := range slices.Sorted(maps.Keys(request.Spec.Files)) {
		for _, artifact := range request.Spec.Files[mountPath].Artifacts {
			digest, found := request.Artifacts[artifact]
			if !found {
				return fmt.Errorf("files at %s: artifact %q is not known", mountPath, artifact)
			}
			if spools[digest] == nil {
				fetched, err := c.fetchArtifact(ctx, name, digest)
				if err != nil {
					return fmt.Errorf("files at %s: artifact %q: %w", mountPath, artifact, err)
				}
				spools[digest] = fetched
			}
			if _, err := spools[digest].Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("files at %s: artifact %q: %w", mountPath, artifact, err)
			}
			if err := c.extract(ctx, id, mountPath, spools[digest], request.Spec.User); err != nil {
				return fmt.Errorf("files at %s: artifact %q: %w", mountPath, artifact, err)
			}
		}
	}
	for _, source := range slices.Sorted(maps.Keys(request.Spec.FilesToBeMoved)) {
		target := request.Spec.FilesToBeMoved[source]
		if err := c.copyBetween(ctx, id, source, id, target); err != nil {
			return fmt.Errorf("move %s to %s: %w", source, target, err)
		}
	}
	return nil
}

// extract unpacks a tar stream at a path where a volume stands. Everything belongs to root, or to the user that the
// service runs as where the package names one, so that the service can write to what is its own copy.
func (c *connection) extract(ctx context.Context, id, mountPath string, content io.Reader, user *plan.User) error {
	base := path.Base(mountPath)
	owner := tar.Header{}
	if user != nil {
		owner.Uid = int(user.UID)
		if user.GID != nil {
			owner.Gid = int(*user.GID)
		}
	}
	return c.copyInto(ctx, id, path.Dir(mountPath), func(archive *tar.Writer) error {
		// The mount's own folder is an entry too, so that it gets its owner.
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: base + "/", Mode: 0o755, Uid: owner.Uid, Gid: owner.Gid}); err != nil {
			return err
		}
		return eachEntry(content, func(header *tar.Header, body io.Reader) error {
			header.Name = path.Join(base, path.Clean("/"+header.Name))
			if header.Name == base {
				return nil
			}
			if header.Typeflag == tar.TypeLink {
				header.Linkname = path.Join(base, path.Clean("/"+header.Linkname))
			}
			header.Uid, header.Gid, header.Uname, header.Gname = owner.Uid, owner.Gid, "", ""
			return copyEntry(archive, header, body)
		})
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
