package docker

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// orphan finds what was left under a name; nil if that is nothing.
func orphan(t *testing.T, backend *Backend, name string) *enclave.Orphan {
	t.Helper()
	orphans, err := backend.Orphans(t.Context())
	must(t, err)
	for _, found := range orphans {
		if found.Name == name {
			return &found
		}
	}
	return nil
}

func TestDockerFindsAndRemovesOrphans(t *testing.T) {
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	image := enclavetest.BuildImages(t, backend).Service
	name := makeEnclave(t, backend)
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, image)))
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("big", 0o644, strings.Repeat("x", smallArtifact))})
	must(t, err)
	must(t, backend.PutArtifact(t.Context(), name, tree.Digest(), tree.WriteTar))
	if found := orphan(t, backend, name); found != nil {
		t.Errorf("an enclave is no orphan: %+v", found)
	}
	if err := backend.RemoveOrphan(t.Context(), name); err == nil {
		t.Error("an enclave must be left alone")
	}

	// Without its network it is not there, but its owner can complete it with its services.
	must(t, backend.StopService(t.Context(), name, "api"))
	_, err = conn.NetworkDisconnect(t.Context(), networkName(name), client.NetworkDisconnectOptions{Container: serviceName(name, "api"), Force: true})
	must(t, err)
	must(t, conn.removeNetworks(t.Context(), name))
	if found := orphan(t, backend, name); found != nil {
		t.Errorf("what can be completed is no orphan: %+v", found)
	}
	if err := backend.RemoveOrphan(t.Context(), name); err == nil {
		t.Error("what can be completed must be left alone")
	}

	// Without its store nobody can get it back.
	must(t, conn.removeContainers(t.Context(), name, func(role string) bool { return role != roleStore }))
	found := orphan(t, backend, name)
	if found == nil || found.Owner != testOwner || found.CreatedAt.IsZero() || !slices.Contains(found.Objects, "container "+serviceName(name, "api")) ||
		!slices.Contains(found.Objects, "image of artifact "+tree.Digest()) {
		t.Fatalf("%+v", found)
	}
	unlock, err := backend.acquire(t.Context(), conn, name, lockCreation, "somebody who makes it")
	must(t, err)
	if found := orphan(t, backend, name); found != nil {
		t.Errorf("what somebody is making is no orphan: %+v", found)
	}
	unlock()
	must(t, backend.RemoveOrphan(t.Context(), name))
	if found := orphan(t, backend, name); found != nil {
		t.Errorf("there remains %+v", found)
	}
	if remaining := conn.remaining(t.Context(), name); remaining != "" {
		t.Errorf("there remains %s", remaining)
	}
	must(t, backend.RemoveOrphan(t.Context(), name))
}
