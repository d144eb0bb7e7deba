package docker

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const testOwner = enclavetest.Owner

// The words of the suite serve the tests of this package as well.
var (
	must           = enclavetest.Must
	mentions       = enclavetest.Mentions
	exec1          = enclavetest.Exec
	createAndStart = enclavetest.CreateAndStart
)

// dockerBackend is a backend on the engine of this machine.
func dockerBackend(t *testing.T) *Backend {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_DOCKER") != "1" {
		t.Skip("SUNDOG_TEST_DOCKER=1 runs the tests that need a Docker Engine")
	}
	backend := New(Options{})
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	return backend
}

// connectionOf gives a backend's connection.
func connectionOf(t *testing.T, backend *Backend) *connection {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	return conn
}

// reserveEnclave gives a free name, and makes sure in the end that nothing bears it.
func reserveEnclave(t *testing.T, backend *Backend) string {
	t.Helper()
	var name string
	t.Cleanup(func() {
		if remaining := connectionOf(t, backend).remaining(context.Background(), name); remaining != "" {
			t.Errorf("there remain %s", remaining)
		}
	})
	name = enclavetest.ReserveEnclave(t, backend)
	return name
}

// makeEnclave makes an enclave for one test.
func makeEnclave(t *testing.T, backend *Backend) string {
	t.Helper()
	name := reserveEnclave(t, backend)
	_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
	must(t, err)
	return name
}

// serviceRequest asks for a service with a port, an artifact and a persistent directory.
func serviceRequest(t *testing.T, backend *Backend, image string) enclave.ServiceRequest {
	t.Helper()
	found, err := backend.EnsureImage(t.Context(), plan.Image{Name: image}, enclave.ImageNever)
	must(t, err)
	return enclave.ServiceRequest{Run: "suite", Owner: testOwner, Digest: "d1", Image: *found, Spec: plan.ServiceSpec{
		Name: "api", Image: plan.Image{Name: image}, Cmd: []string{"serve", "-http", "8080"},
		Ports: map[string]plan.Port{"http": {Number: 8080, Transport: "TCP"}},
		Files: map[string]plan.Mount{"/keep": {PersistentKey: "store"}},
	}}
}

// gate stands between a backend and the engine. It counts requests and can close after some of them.
type gate struct {
	Host     string
	requests atomic.Int64
	// limit is how many requests pass; then closed is called, once.
	limit  int64
	closed func()
	// intercept answers a request in place of the engine if it wants to; it may be nil.
	intercept func(w http.ResponseWriter, r *http.Request) bool
}

// newGate opens a gate to the engine of this machine.
func newGate(t *testing.T, backend *Backend, limit int64, closed func()) *gate {
	t.Helper()
	dial := connectionOf(t, backend).Dialer()
	folder, err := os.MkdirTemp("", "gate") //nolint:usetesting // A socket's path must be short, and t.TempDir has the test's name in it.
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	must(t, err)
	g := &gate{Host: "unix://" + socket, limit: limit, closed: closed}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: client.DummyHost})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Negotiation is no step of what is done.
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			proxy.ServeHTTP(w, r)
			return
		}
		count := g.requests.Add(1)
		if g.limit > 0 && count > g.limit {
			if count == g.limit+1 {
				g.closed()
			}
			// The connection ends without an answer.
			panic(http.ErrAbortHandler)
		}
		if g.intercept != nil && g.intercept(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return g
}

// createPublisher starts a container of somebody else that has a port of the host.
func createPublisher(t *testing.T, conn *connection, image, name string, port int) string {
	t.Helper()
	bindings, exposed, err := portBindings(map[string]publishedPort{"x": {Port: plan.Port{Number: 80, Transport: transportTCP}, HostPort: port}})
	must(t, err)
	created, err := conn.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: name, Config: &container.Config{Image: image, Cmd: []string{"serve"}, ExposedPorts: exposed}, HostConfig: &container.HostConfig{PortBindings: bindings},
	})
	must(t, err)
	t.Cleanup(func() { _ = conn.removeContainer(context.Background(), created.ID) })
	_, err = conn.ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{})
	must(t, err)
	return created.ID
}
