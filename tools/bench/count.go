package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/tools/cluster"
)

// counter stands between a peer and the engine and counts the calls. Timed runs go without it.
type counter struct {
	// at is where the peers find it.
	at     place
	name   func(r *http.Request) string
	server *http.Server

	mutex sync.Mutex
	calls map[string]int
}

// newCounter serves in a folder, whose path must be short.
func newCounter(ctx context.Context, folder string, at place) (*counter, error) {
	if at.kubeconfig != "" {
		return newClusterCounter(ctx, folder, at)
	}
	c := &counter{
		at: place{socket: folder + "/count.sock"}, calls: map[string]int{}, name: func(r *http.Request) string { return callName(r.Method, r.URL.Path) },
	}
	if err := os.RemoveAll(c.at.socket); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", c.at.socket)
	if err != nil {
		return nil, fmt.Errorf("count API calls: %w", err)
	}
	c.serve(listener, &url.URL{Scheme: "http", Host: "docker"}, &http.Transport{DialContext: dialSocket(at.socket), DisableCompression: true})
	return c, nil
}

// serve passes on what comes to a listener.
func (c *counter) serve(listener net.Listener, to *url.URL, transport http.RoundTripper) {
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host },
		Transport:     transport,
		FlushInterval: -1, // answers are streams
		// The peer's own message about a broken call is the better one.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	c.server = &http.Server{ //nolint:gosec // Only the peer connects, and a pull may take as long as it takes.
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.at.kubeconfig != "" && cluster.Buffer(r) != nil {
				return // Whoever asked has gone.
			}
			c.mutex.Lock()
			c.calls[c.name(r)]++
			c.mutex.Unlock()
			forward.ServeHTTP(w, r)
		}),
	}
	go func() {
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "bench: count API calls:", err)
		}
	}()
}

func (c *counter) close() error {
	return errors.Join(c.server.Close(), os.RemoveAll(cmp.Or(c.at.socket, c.at.kubeconfig)))
}

// take gives the calls since the last time.
func (c *counter) take() map[string]int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	taken := c.calls
	c.calls = map[string]int{}
	return taken
}

// collections are the kinds of objects whose names stand second in a path.
var collections = []string{"containers", "networks", "volumes", "images", "exec"}

// actions stand where a name could stand, or after it.
var actions = []string{"create", "json", "load", "prune", "search", "get", "tag", "push", "history"}

// callName is a call without its version, and with a placeholder for whose it is.
func callName(method, path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 1 && strings.HasPrefix(parts[0], "v1.") {
		parts = parts[1:]
	}
	if len(parts) > 1 && slices.Contains(collections, parts[0]) && !slices.Contains(actions, parts[1]) {
		named := []string{parts[0], "{id}"}
		// An image's name may itself have slashes.
		if last := parts[len(parts)-1]; len(parts) > 2 && (parts[0] != "images" || slices.Contains(actions, last)) {
			named = append(named, last)
		}
		parts = named
	}
	return method + " /" + strings.Join(parts, "/")
}

// total of calls.
func total(calls map[string]int) int {
	sum := 0
	for _, count := range calls {
		sum += count
	}
	return sum
}

// byCount orders the names of calls, the most frequent first.
func byCount(calls map[string]int) []string {
	names := slices.Sorted(maps.Keys(calls))
	slices.SortStableFunc(names, func(a, b string) int { return calls[b] - calls[a] })
	return names
}
