package docker

import (
	"os"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
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

func TestDockerConforms(t *testing.T) {
	backend := dockerBackend(t)
	enclavetest.Run(t, backend, enclavetest.BuildImages(t, backend))
}
