package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/client-go/tools/remotecommand"
)

// CopyFrom implements enclave.Services. The agent packs the path inside of the service's container, so the service has to
// run.
func (b *Backend) CopyFrom(ctx context.Context, name, service, path string) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	stream, err := b.copyFrom(ctx, conn, name, service, path)
	if err != nil {
		return nil, fmt.Errorf("copy %s from service %q of enclave %q: %w", path, service, name, err)
	}
	return stream, nil
}

func (b *Backend) copyFrom(ctx context.Context, conn *connection, name, service, path string) (io.ReadCloser, error) {
	of, err := b.running(ctx, conn, name, service)
	if err != nil {
		return nil, err
	}
	// An archive is never empty, so its first byte tells that the path could be read.
	return conn.stream(ctx, func(ctx context.Context, output io.Writer) error {
		var complaint bytes.Buffer
		code, err := conn.run(ctx, of.pod, []string{agentProgram, "copy", path}, remotecommand.StreamOptions{Stdout: output, Stderr: &complaint})
		if err == nil {
			err = agentError(code, complaint.String())
		}
		return err
	})
}

// stream gives what a call writes as something to read. An output without a first byte is an error.
func (c *connection) stream(ctx context.Context, run func(context.Context, io.Writer) error) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(run(ctx, writer)) }() // Nil stands for the end.
	buffered := bufio.NewReaderSize(reader, 1<<16)
	if _, err := buffered.Peek(1); err != nil {
		cancel()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return &copyStream{Reader: buffered, pipe: reader, cancel: cancel}, nil
}

// copyStream ends the copying when it is closed.
type copyStream struct {
	io.Reader
	pipe   *io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (s *copyStream) Close() error {
	s.cancel()
	return s.pipe.Close()
}
