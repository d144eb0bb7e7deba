package kubernetes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Logs implements enclave.Services. Logs go with their pod: a service that was stopped, or never started, has none.
func (b *Backend) Logs(ctx context.Context, name, service string, options enclave.LogOptions) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	of, err := conn.find(ctx, name, service)
	if err != nil {
		return nil, err
	}
	if of.pod == nil || containerStatus(of.pod, containerService) == nil {
		return io.NopCloser(strings.NewReader("")), nil
	}
	query := map[string]string{}
	if options.Tail > 0 {
		query["tailLines"] = strconv.Itoa(options.Tail)
	}
	if options.Follow {
		query["follow"] = "true"
	}
	if options.Timestamps {
		query["timestamps"] = "true"
	}
	if !options.Since.IsZero() {
		query["sinceTime"] = options.Since.UTC().Format(time.RFC3339)
	}
	stream, err := conn.logs(ctx, of.pod, containerService, query)
	if apierrors.IsBadRequest(err) {
		return io.NopCloser(strings.NewReader("")), nil // The container has not been started.
	}
	if err != nil {
		return nil, fmt.Errorf("logs of service %q in enclave %q: %w", service, name, err)
	}
	return stream, nil
}

func (c *connection) logs(ctx context.Context, pod *corev1.Pod, container string, query map[string]string) (io.ReadCloser, error) {
	query["container"] = container
	request, err := c.request(call{verb: http.MethodGet, path: pods.path(pod.Namespace, pod.Name) + "/log", query: query})
	if err != nil {
		return nil, err
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return nil, c.translate(ctx, err)
	}
	return stream, nil
}
