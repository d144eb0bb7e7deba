package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// An artifact is one tar file in the store. A file in the index, written after it in the same stream, tells that it is
// complete.

func artifactFile(digest string) string { return folderArtifacts + "/" + digest + ".tar" }
func indexFile(digest string) string    { return folderIndex + "/" + digest }

// PutArtifact implements enclave.Artifacts. The content goes through a temporary file, as an archive has to know the
// size of what it holds beforehand.
func (b *Backend) PutArtifact(ctx context.Context, name, digest string, content func(io.Writer) error) (err error) {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	stored, err := conn.hasArtifact(ctx, name, digest)
	if err != nil || stored {
		return err
	}
	spool, err := newSpool()
	if err != nil {
		return fmt.Errorf("store artifact %s: %w", digest, err)
	}
	defer spool.Close() //nolint:errcheck // It is removed with all that it holds.
	if err := content(spool); err != nil {
		return fmt.Errorf("store artifact %s: %w", digest, err)
	}
	size, err := spool.rewind()
	if err != nil {
		return fmt.Errorf("store artifact %s: %w", digest, err)
	}
	err = conn.copyInto(ctx, storeName(name), "/", func(archive *tar.Writer) error {
		return packArtifact(archive, digest, size, spool)
	})
	if err != nil {
		return fmt.Errorf("store artifact %s in enclave %q: %w", digest, name, err)
	}
	return nil
}

func packArtifact(archive *tar.Writer, digest string, size int64, content io.Reader) error {
	made := map[string]bool{}
	if err := packFolders(archive, artifactFile(digest), made); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: artifactFile(digest), Mode: 0o600, Size: size}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, content); err != nil {
		return err
	}
	if err := packFolders(archive, indexFile(digest), made); err != nil {
		return err
	}
	text := strconv.FormatInt(size, 10)
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: indexFile(digest), Mode: 0o600, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := io.WriteString(archive, text)
	return err
}

// hasArtifact tells whether an artifact is complete; ErrNotFound if the enclave is not there.
func (c *connection) hasArtifact(ctx context.Context, name, digest string) (bool, error) {
	stat, err := c.ContainerStatPath(ctx, storeName(name), client.ContainerStatPathOptions{Path: "/" + indexFile(digest)})
	if err == nil {
		return stat.Stat.Size > 0, nil
	}
	if !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("look for artifact %s in enclave %q: %w", digest, name, c.translate(err))
	}
	// The answer to this request has no text, so it does not tell which of the two is missing.
	if _, err := c.ContainerInspect(ctx, storeName(name), client.ContainerInspectOptions{}); err != nil {
		return false, fmt.Errorf("look for artifact %s in enclave %q: %w", digest, name, c.translate(err))
	}
	return false, nil
}

// Artifact implements enclave.Artifacts. The stream comes from a temporary file: the engine locks a container while it
// is read from, so a slow reader would keep everybody else out of the store.
func (b *Backend) Artifact(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	spool, err := conn.fetchArtifact(ctx, name, digest)
	if err != nil {
		return nil, fmt.Errorf("read artifact %s of enclave %q: %w", digest, name, err)
	}
	return spool, nil
}

func (c *connection) fetchArtifact(ctx context.Context, name, digest string) (*spool, error) {
	stored, err := c.hasArtifact(ctx, name, digest)
	if err != nil {
		return nil, err
	}
	if !stored {
		return nil, enclave.ErrNotFound
	}
	result, err := c.CopyFromContainer(ctx, storeName(name), client.CopyFromContainerOptions{SourcePath: "/" + artifactFile(digest)})
	if err != nil {
		return nil, c.translate(err)
	}
	defer result.Content.Close() //nolint:errcheck // It was read to the end or is of no use any more.
	archive := tar.NewReader(result.Content)
	header, err := archive.Next()
	if err != nil {
		return nil, c.translate(err)
	}
	file, err := newSpool()
	if err != nil {
		return nil, err
	}
	if _, err = io.CopyN(file, archive, header.Size); err == nil {
		_, err = file.rewind()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// ListArtifacts implements enclave.Artifacts.
func (b *Backend) ListArtifacts(ctx context.Context, name string) ([]string, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	files, err := conn.readStore(ctx, name, folderIndex)
	if err != nil {
		return nil, fmt.Errorf("list artifacts: %w", err)
	}
	digests := []string{}
	for digest, size := range files {
		if len(size) > 0 {
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests)
	return digests, nil
}

// RemoveArtifacts implements enclave.Artifacts.
func (b *Backend) RemoveArtifacts(ctx context.Context, name string, digests []string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	stored, err := b.ListArtifacts(ctx, name)
	if err != nil {
		return fmt.Errorf("remove artifacts: %w", err)
	}
	var files []storeFile
	for _, digest := range digests {
		if slices.Contains(stored, digest) {
			files = append(files, storeFile{path: indexFile(digest)}, storeFile{path: artifactFile(digest)})
		}
	}
	if len(files) == 0 {
		return nil
	}
	return conn.writeStore(ctx, name, files...)
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
