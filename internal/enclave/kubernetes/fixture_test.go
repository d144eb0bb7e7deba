package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const testOwner = enclavetest.Owner

// The words of the suite serve the tests of this package as well.
var (
	must           = enclavetest.Must
	mentions       = enclavetest.Mentions
	eventually     = enclavetest.Eventually
	makeEnclave    = enclavetest.MakeEnclave
	exec1          = enclavetest.Exec
	createAndStart = enclavetest.CreateAndStart
	awaitState     = enclavetest.AwaitState
)

// kubernetesBackend is a backend on the cluster that the tests were given (see tools/test-kubernetes).
func kubernetesBackend(t *testing.T) *Backend {
	t.Helper()
	needCluster(t)
	backend := New(Options{Expose: ExposeNodePort})
	t.Cleanup(func() { must(t, backend.Close()) })
	return backend
}

// loading is done once for all tests.
var (
	loading    sync.Once
	errLoading error
)

// needCluster skips a test where there is no cluster.
func needCluster(t *testing.T) {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_KUBERNETES") != "1" {
		t.Skip("SUNDOG_TEST_KUBERNETES=1 runs the tests that need a cluster, the one that KUBECONFIG names")
	}
}

// testImages brings the test service into the cluster's nodes by the command in SUNDOG_TEST_KUBERNETES_LOAD, or takes the image
// in SUNDOG_TEST_KUBERNETES_IMAGE that somebody has pushed to where the nodes find it.
func testImages(t *testing.T) enclavetest.Images {
	t.Helper()
	needCluster(t)
	images := enclavetest.Images{Service: os.Getenv("SUNDOG_TEST_KUBERNETES_IMAGE"), Unprivileged: os.Getenv("SUNDOG_TEST_KUBERNETES_IMAGE") + "-unprivileged", PublicPort: func() int { return 30000 + rand.IntN(2768) }}
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
