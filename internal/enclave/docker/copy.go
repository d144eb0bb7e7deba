package docker

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// CopyFrom implements enclave.Services.
func (b *Backend) CopyFrom(ctx context.Context, name, service, source string) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	content, err := conn.copyFrom(ctx, name, service, source)
	if err != nil {
		return nil, fmt.Errorf("copy %s from service %q of enclave %q: %w", source, service, name, err)
	}
	return content, nil
}

func (c *connection) copyFrom(ctx context.Context, name, service, source string) (io.ReadCloser, error) {
	result, err := c.CopyFromContainer(ctx, serviceName(name, service), client.CopyFromContainerOptions{SourcePath: source})
	if err == nil && result.Stat.LinkTarget != "" {
		// The path itself is a symbolic link; what it leads to is wanted, not the link.
		target := result.Stat.LinkTarget
		if err := result.Content.Close(); err != nil {
			return nil, c.translate(err)
		}
		result, err = c.CopyFromContainer(ctx, serviceName(name, service), client.CopyFromContainerOptions{SourcePath: target})
	}
	if err != nil {
		if isMissingContainer(err) {
			return nil, c.translate(err)
		}
		if translated := c.translate(err); strings.Contains(err.Error(), "Could not find the file") {
			return nil, fmt.Errorf("there is no such path in the service: %w", enclave.ErrNotFound)
		} else {
			return nil, translated
		}
	}
	if !result.Stat.Mode.IsDir() {
		return result.Content, nil
	}
	return stripFolder(result.Content), nil
}

// stripFolder puts what is in an archive's one folder at its root.
func stripFolder(content io.ReadCloser) io.ReadCloser {
	reader, writer := io.Pipe()
	go func() {
		archive := tar.NewWriter(writer)
		err := eachEntry(content, func(header *tar.Header, body io.Reader) error {
			_, below, _ := strings.Cut(path.Clean(header.Name), "/")
			if below == "" {
				return nil
			}
			header.Name = below
			if header.Typeflag == tar.TypeDir {
				header.Name += "/"
			}
			if header.Typeflag == tar.TypeLink {
				_, header.Linkname, _ = strings.Cut(path.Clean(header.Linkname), "/")
			}
			return copyEntry(archive, header, body)
		})
		if err == nil {
			err = archive.Close()
		}
		writer.CloseWithError(err)
	}()
	return &strippedReader{PipeReader: reader, source: content}
}

// strippedReader closes the stream that it reads from too.
type strippedReader struct {
	*io.PipeReader
	source io.Closer
}

// Close ends both streams.
func (r *strippedReader) Close() error {
	_ = r.PipeReader.Close() // It never fails.
	return r.source.Close()
}

// isMissingContainer tells a container that is not there from a path that is not in it.
func isMissingContainer(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "no such container")
}
