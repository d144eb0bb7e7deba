package cli

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestClean(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	contains(t, w.ok("clean"), "No enclave has expired")
	for name, spec := range map[string]enclave.Spec{
		"old":     {Owner: "somebody", ExpiresAt: w.clock.Add(time.Hour)},
		"young":   {Owner: testOwner, ExpiresAt: w.clock.Add(9 * time.Hour)},
		"forever": {Owner: testOwner},
	} {
		spec.Name = name
		if _, err := w.backend.CreateEnclave(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	w.clock = w.clock.Add(3 * time.Hour)
	listed := decodeInto[[]cleanedEnclave](t, w.ok("clean", "--dry-run", "--format", "json"))
	if len(listed) != 1 || listed[0].Name != "old" || listed[0].Removed || !w.exists("old") {
		t.Errorf("%+v", listed)
	}
	contains(t, w.ok("clean", "--dry-run"), "old", "expired 2h ago", "somebody")
	refused := w.start(t.Context(), "n\n", "clean")
	if refused.code != ExitFailure || !w.exists("old") {
		t.Errorf("%+v", refused)
	}
	contains(t, refused.notice, "Remove 1 ")
	w.fails(ExitFailure, []string{"clean"}, "--yes")
	w.fails(ExitUsage, []string{"clean", "--format", "json"}, "--dry-run")
	if done := w.start(t.Context(), "y\n", "clean"); done.code != 0 || w.exists("old") || !w.exists("young") || !w.exists("forever") {
		t.Errorf("%+v", done)
	}
	w.clock = w.clock.Add(24 * time.Hour)
	removed := decodeInto[[]cleanedEnclave](t, w.ok("clean", "--yes", "--format", "json"))
	if len(removed) != 1 || removed[0].Name != "young" || !removed[0].Removed || w.exists("young") {
		t.Errorf("%+v", removed)
	}
}

func TestCleanIsSafeBesideOthers(t *testing.T) {
	var w *world
	extend := false
	w = newWorld(t, memory.Hooks{Before: func(ctx context.Context, call memory.Call) error {
		if extend && call.Method == "Observe" {
			extend = false
			_, err := w.backend.UpdateEnclave(ctx, enclave.Spec{Name: "dev", Owner: testOwner, ExpiresAt: w.clock.Add(time.Hour)})
			return err
		}
		return nil
	}})
	w.ok("run", webshop(t), "--enclave", "dev", "--ttl", "1h")
	w.clock = w.clock.Add(2 * time.Hour)
	unlock, err := w.backend.Lock(t.Context(), "dev", "run/shop", "somebody's apply")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	busy := w.start(ctx, "", "clean", "--yes")
	if busy.code != ExitFailure || !w.exists("dev") {
		t.Errorf("%+v", busy)
	}
	contains(t, busy.message, "somebody's apply")
	unlock()

	extend = true
	contains(t, w.ok("clean", "--yes"), "left dev: its time to live was extended")
	if !w.exists("dev") {
		t.Error("it has not expired any more")
	}
}

// untidy is a backend on which something was left of an enclave.
type untidy struct {
	enclave.Backend
	orphans []enclave.Orphan
	images  []enclave.OrphanImage
}

func (u *untidy) OrphanImages(context.Context) ([]enclave.OrphanImage, error) { return u.images, nil }

func (u *untidy) RemoveOrphanImage(_ context.Context, id string) error {
	u.images = slices.DeleteFunc(u.images, func(image enclave.OrphanImage) bool { return image.ID == id })
	return nil
}

func (u *untidy) Orphans(context.Context) ([]enclave.Orphan, error) { return u.orphans, nil }

func (u *untidy) RemoveOrphan(_ context.Context, name string) error {
	if name == "stuck" {
		return errors.New("the volume is in use")
	}
	u.orphans = slices.DeleteFunc(u.orphans, func(orphan enclave.Orphan) bool { return orphan.Name == name })
	return nil
}

func TestCleanRemovesWhatWasLeft(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	backend := &untidy{Backend: w.backend, orphans: []enclave.Orphan{
		{Name: "gone", Owner: "somebody", Objects: []string{"network sundog-gone", "volume x"}, CreatedAt: w.clock},
		{Name: "stuck", Objects: []string{"volume y"}, CreatedAt: w.clock},
	}}
	w.tools.backend = func(backendFlag) (enclave.Backend, error) { return backend, nil }
	contains(t, w.ok("clean", "--dry-run"), "gone", "no enclave any more: network sundog-gone, volume x", "somebody", "stuck")
	result := w.run("clean", "--yes", "--format", "json")
	cleaned := decodeInto[[]cleanedEnclave](t, result.output)
	if result.code != ExitFailure || len(cleaned) != 2 || !cleaned[0].Orphan || !cleaned[0].Removed || cleaned[0].ID != "memory/gone" || cleaned[1].Removed || cleaned[1].Error == "" {
		t.Errorf("%d %+v", result.code, cleaned)
	}
	if len(backend.orphans) != 1 {
		t.Errorf("%+v", backend.orphans)
	}
}

func TestCleanRemovesImagesThatNoEnclaveUsesAndOnlyWhatIsNamed(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	backend := &untidy{
		Backend: w.backend, orphans: []enclave.Orphan{{Name: "gone", Objects: []string{"network x"}}, {Name: "other", Objects: []string{"network y"}}},
		images: []enclave.OrphanImage{{ID: "sha256:1", Names: []string{"shop/api:dev"}}, {ID: "sha256:0123456789abcdef"}},
	}
	w.tools.backend = func(backendFlag) (enclave.Backend, error) { return backend, nil }
	contains(t, w.ok("clean", "--dry-run"), "image shop/api:dev", "image sha256:0123456789ab ", "no enclave uses it any more")
	contains(t, w.ok("clean", "gone", "--yes"), "removed gone\n")
	if len(backend.orphans) != 1 || len(backend.images) != 2 {
		t.Errorf("only what is named goes: %+v", backend)
	}
	cleaned := decodeInto[[]cleanedEnclave](t, w.ok("clean", "--yes", "--format", "json"))
	if len(cleaned) != 3 || cleaned[1].Image != "sha256:1" || !cleaned[1].Removed || len(backend.images) != 0 {
		t.Errorf("%+v", cleaned)
	}
}
