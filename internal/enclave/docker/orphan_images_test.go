package docker

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
)

func TestLocksOfApplies(t *testing.T) {
	t.Parallel()
	mine, err := json.Marshal(lockholder.This())
	must(t, err)
	other := lockholder.This()
	other.PID, other.Started = os.Getpid(), "1"
	dead, err := json.Marshal(other)
	must(t, err)
	for _, test := range []struct {
		lock, process string
		want          bool
	}{
		{"run/shop", string(mine), true}, {"run/shop", string(dead), false}, {"run/shop", "", true}, {"artifacts", string(mine), false},
	} {
		if got := isApply(container.Summary{Labels: map[string]string{labelLock: test.lock, labelHolderProcess: test.process}}); got != test.want {
			t.Errorf("%s of %q: %t", test.lock, test.process, got)
		}
	}
}

func TestDockerFindsImagesThatNoEnclaveUses(t *testing.T) {
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	image := enclavetest.BuildImages(t, backend).Service
	listed := func() *enclave.OrphanImage {
		t.Helper()
		orphans, err := conn.unusedImages(t.Context())
		must(t, err)
		for _, orphan := range orphans {
			if slices.Contains(orphan.Names, image) {
				return &orphan
			}
		}
		return nil
	}
	unused := listed()
	if unused == nil || unused.ID == "" || unused.Bytes == 0 || unused.CreatedAt.IsZero() {
		t.Fatalf("got %+v", unused)
	}
	name := makeEnclave(t, backend)
	// What an enclave's store lists is used, also while there is no container of it.
	must(t, conn.noteImage(t.Context(), name, enclave.Image{Name: image, ID: unused.ID}))
	if found := listed(); found != nil {
		t.Errorf("an enclave uses it: %+v", found)
	}
	// An apply may have built what is listed nowhere yet.
	unlock, err := backend.Lock(t.Context(), name, "run/shop", "an apply")
	must(t, err)
	defer unlock()
	if orphans, err := backend.OrphanImages(t.Context()); err != nil || len(orphans) != 0 {
		t.Errorf("while an apply is under way nothing is an orphan: %v %v", orphans, err)
	}
	if err := backend.RemoveOrphanImage(t.Context(), "sha256:0"); err == nil {
		t.Error("what is no orphan must be left alone")
	}
}
