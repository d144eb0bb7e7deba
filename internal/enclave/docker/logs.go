package docker

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Logs implements enclave.Services.
func (b *Backend) Logs(ctx context.Context, name, service string, options enclave.LogOptions) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	inspected, err := conn.inspectService(ctx, name, service)
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	request := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: options.Follow, Timestamps: options.Timestamps}
	if options.Tail > 0 {
		request.Tail = strconv.Itoa(options.Tail)
	}
	if !options.Since.IsZero() {
		request.Since = options.Since.Format(time.RFC3339Nano)
	}
	content, err := conn.ContainerLogs(ctx, inspected.ID, request)
	if err != nil {
		return nil, fmt.Errorf("read logs of service %q in enclave %q: %w", service, name, conn.translate(err))
	}
	if inspected.Config.Tty {
		// A terminal has one stream only, which is not wrapped.
		return content, nil
	}
	reader, writer := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(writer, writer, content)
		writer.CloseWithError(err)
	}()
	return &strippedReader{PipeReader: reader, source: content}, nil
}
