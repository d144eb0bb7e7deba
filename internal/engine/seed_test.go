package engine

import (
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// seeded mounts a persistent directory that holds artifacts when it is new.
func seeded(path, key string, artifacts ...string) func(*plan.ServiceSpec) {
	return func(s *plan.ServiceSpec) {
		s.Files = map[string]plan.Mount{path: {PersistentKey: key, Seed: artifacts}}
	}
}

func TestSeedIsThereBeforeItsServiceAndTouchesNothingLater(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(upload(t, "fixtures", "one"), add("db", seeded("/data", "data", "fixtures"))))
	request, found := h.backend.Request(testEnclave, "db")
	if !found || request.Artifacts["fixtures"] == "" {
		t.Fatalf("the service was made of %+v", request)
	}
	stored, err := h.backend.ListArtifacts(t.Context(), testEnclave)
	if err != nil || len(stored) != 1 || stored[0] != request.Artifacts["fixtures"] {
		t.Errorf("stored %v, %v, want %s", stored, err, request.Artifacts["fixtures"])
	}
	// The directory is not new any more, so what it would hold is no reason to touch its service.
	_, changes, _ := h.apply(planOf(upload(t, "fixtures", "two"), add("db", seeded("/data", "data", "fixtures"))))
	same(t, "changes with another seed", changes, nil)
	_, changes, _ = h.apply(planOf(add("db", seeded("/data", "data"))))
	same(t, "changes without a seed", changes, nil)
	h.fails(planOf(add("db", seeded("/data", "other", "nowhere"))), `"nowhere"`)
}

func TestOwnerAndPermissionsOfFilesReplaceAService(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	mounted := func(owner *plan.User, mode uint32) *plan.Plan {
		return planOf(upload(t, "conf", "one"), add("api", func(s *plan.ServiceSpec) {
			s.Files = map[string]plan.Mount{"/conf": {Artifacts: []string{"conf"}, Owner: owner, Mode: mode}}
		}))
	}
	h.apply(mounted(nil, 0))
	_, changes, _ := h.apply(mounted(&plan.User{UID: 7}, 0))
	same(t, "changes with another owner", changes, []string{"CreateService dev/api", "StartService dev/api"})
	_, changes, _ = h.apply(mounted(&plan.User{UID: 7}, 0o600))
	same(t, "changes with other permissions", changes, []string{"CreateService dev/api", "StartService dev/api"})
	_, changes, _ = h.apply(mounted(&plan.User{UID: 7}, 0o600))
	same(t, "changes of nothing", changes, nil)
}
