package kubernetes

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Many connections at the same time go through one port-forward, and a tunnel that breaks is made anew.
func TestKubernetesForwardsManyConnections(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, nil)))
	eventually(t, "the port", func() (bool, string) {
		conn, err := backend.Dial(t.Context(), name, "api", "tcp", 8080)
		if err != nil {
			return false, err.Error()
		}
		return conn.Close() == nil, ""
	})
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return backend.Dial(ctx, name, "api", "tcp", 8080)
	}}}
	fetch := func(i int) error {
		long := strings.Repeat(strconv.Itoa(i), 200_000)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api/echo", strings.NewReader(long))
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err == nil && string(content) != long {
			err = fmt.Errorf("%d bytes came back, want %d", len(content), len(long))
		}
		return err
	}
	for range 2 {
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				if err := fetch(i); err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			})
		}
		group.Wait()
		// The network breaks.
		pod := podOf(t, backend, name, "api")
		tunnel := backend.tunnels.of(pod.UID)
		if tunnel.requests < 20 {
			t.Errorf("%d requests went through the pod's tunnel, want all", tunnel.requests)
		}
		must(t, tunnel.connection.Close())
	}
}
