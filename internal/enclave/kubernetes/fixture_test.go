package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const testOwner = "enclavetest"

// kubernetesBackend is a backend on the cluster that the tests were given (see tools/test-kubernetes).
func kubernetesBackend(t *testing.T) *Backend {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_KUBERNETES") != "1" {
		t.Skip("SUNDOG_TEST_KUBERNETES=1 runs the tests that need a cluster, the one that KUBECONFIG names")
	}
	backend := New(Options{Expose: ExposeNodePort})
	t.Cleanup(func() { must(t, backend.Close()) })
	return backend
}

// loading is done once for all tests.
var (
	loading    sync.Once
	errLoading error
)

// testImages brings the test service into the cluster's nodes by the command in SUNDOG_TEST_KUBERNETES_LOAD, or takes the image
// in SUNDOG_TEST_KUBERNETES_IMAGE that somebody has pushed to where the nodes find it.
func testImages(t *testing.T) enclavetest.Images {
	t.Helper()
	images := enclavetest.Images{Service: os.Getenv("SUNDOG_TEST_KUBERNETES_IMAGE"), Unprivileged: os.Getenv("SUNDOG_TEST_KUBERNETES_IMAGE") + "-unprivileged", PublicPort: func() int { return 30000 + mathrand.IntN(2768) }}
	if images.Service != "" {
		return images
	}
	images.Service, images.Unprivileged = "sundog-test/service:kubernetes", "sundog-test/unprivileged:kubernetes"
	load := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_LOAD"))
	if len(load) == 0 {
		t.Fatal("say by SUNDOG_TEST_KUBERNETES_LOAD which command loads an image archive into the nodes, or by SUNDOG_TEST_KUBERNETES_IMAGE where the test image is")
	}
	loading.Do(func() {
		command := exec.CommandContext(t.Context(), load[0], append(load[1:], enclavetest.SaveImages(t, images.Service, images.Unprivileged))...)
		if text, err := command.CombinedOutput(); err != nil {
			errLoading = fmt.Errorf("load the test image: %w: %s", err, text)
		}
	})
	must(t, errLoading)
	return images
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mentions(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("there is no error, want one that mentions %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error does not mention %q: %v", text, err)
		}
	}
}

// makeEnclave makes an enclave for one test.
func makeEnclave(t *testing.T, backend *Backend) string {
	t.Helper()
	var random [5]byte
	_, err := rand.Read(random[:])
	must(t, err)
	name := "t" + hex.EncodeToString(random[:])
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := backend.RemoveEnclave(ctx, name); err != nil {
			t.Error(err)
		}
	})
	_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
	must(t, err)
	return name
}

// serviceRequest asks for a service; change adapts it.
func serviceRequest(t *testing.T, backend *Backend, image string, change func(*enclave.ServiceRequest)) enclave.ServiceRequest {
	t.Helper()
	found, err := backend.EnsureImage(t.Context(), plan.Image{Name: image}, enclave.ImageMissing)
	must(t, err)
	request := enclave.ServiceRequest{Run: "suite", Owner: testOwner, Digest: "d1", Image: *found, Spec: plan.ServiceSpec{
		Name: "api", Image: plan.Image{Name: image}, Cmd: []string{"serve", "-http", "8080"},
		Ports: map[string]plan.Port{"http": {Number: 8080, Transport: "TCP"}},
	}}
	if change != nil {
		change(&request)
	}
	return request
}

func createAndStart(ctx context.Context, backend *Backend, name string, request enclave.ServiceRequest) error {
	if _, err := backend.CreateService(ctx, name, request); err != nil {
		return err
	}
	_, err := backend.StartService(ctx, name, request.Spec.Name)
	return err
}

func exec1(t *testing.T, backend *Backend, name, service string, arguments ...string) string {
	t.Helper()
	result, err := backend.Exec(t.Context(), name, service, enclave.ExecRequest{Command: append([]string{enclavetest.ServiceProgram}, arguments...)})
	must(t, err)
	if result.Code != 0 {
		t.Fatalf("%v ended with code %d: %s", arguments, result.Code, result.Output)
	}
	return result.Output
}

// eventually repeats a check until it holds.
func eventually(t *testing.T, what string, check func() (ok bool, last string)) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	last := ""
	for time.Now().Before(deadline) {
		var ok bool
		if ok, last = check(); ok {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s; last: %s", what, last)
}

func awaitState(t *testing.T, backend *Backend, name, service string, state enclave.State) *enclave.Service {
	t.Helper()
	var found *enclave.Service
	eventually(t, service+" to be "+string(state), func() (bool, string) {
		var err error
		found, err = backend.Service(t.Context(), name, service)
		must(t, err)
		return found.State == state, fmt.Sprintf("%s, code %d", found.State, found.ExitCode)
	})
	return found
}

func mustMarshal(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return text
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// countRequests counts what a connection sends from now on.
func countRequests(conn *connection) *atomic.Int64 {
	counter := &atomic.Int64{}
	conn.rest.Client = &http.Client{Transport: countingTransport{conn.http.Transport, counter}}
	return counter
}

type countingTransport struct {
	http.RoundTripper
	counter *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c countingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	c.counter.Add(1)
	return c.RoundTripper.RoundTrip(request)
}
