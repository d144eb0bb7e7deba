package kubernetes

import (
	"maps"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// storeBackend is a backend that keeps every artifact as if it were a large one.
func storeBackend(t *testing.T) *Backend {
	t.Helper()
	backend := kubernetesBackend(t)
	backend.partsKept = 0
	return backend
}

// What is kept in the store behaves like what is kept in the cluster's database.
func TestKubernetesStoreConforms(t *testing.T) {
	t.Parallel()
	backend := storeBackend(t)
	enclavetest.RunArtifacts(t, backend, testImages(t), slices.Sorted(maps.Keys(different))...)
}
