package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const movingImage = "registry.example.com/app:1"

func image(name string) func(*plan.ServiceSpec) {
	return func(s *plan.ServiceSpec) { s.Image = plan.Image{Name: name} }
}

// applyImages applies a plan with an image policy and gives what was done to services.
func (h *harness) applyImages(p *plan.Plan, policy enclave.ImagePolicy) []string {
	h.Helper()
	before := len(h.backend.Changes())
	request := h.request(p)
	request.Images = policy
	if _, err := h.engine.Apply(h.Context(), request); err != nil {
		h.Fatalf("apply with policy %q: %v", policy, err)
	}
	return h.backend.Changes()[before:]
}

func (h *harness) imageOf(service string) string {
	h.Helper()
	found, err := h.backend.Service(h.Context(), testEnclave, service)
	if err != nil {
		h.Fatal(err)
	}
	return found.ImageID
}

func TestImageStaysWhatItWasResolvedTo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.backend.PublishImage(movingImage, "first")
	h.applyImages(planOf(add("web", image(movingImage))), enclave.ImageMissing)
	first := h.imageOf("web")

	// Both the engine and the registry mean another content by the name now.
	h.backend.PublishImage(movingImage, "second")
	h.backend.TagImage(movingImage, "second")
	for _, policy := range []enclave.ImagePolicy{enclave.ImageMissing, enclave.ImageNever} {
		same(t, "changes with "+string(policy), h.applyImages(planOf(add("web", image(movingImage))), policy), nil)
	}
	// A service that is made later, or replaced for another reason, gets the same content.
	p := planOf(add("web", image(movingImage), env("X", "1")), add("other", image(movingImage)))
	h.applyImages(p, enclave.ImageMissing)
	for _, service := range []string{"web", "other"} {
		if got := h.imageOf(service); got != first {
			t.Errorf("%s has image %s, want the recorded %s", service, got, first)
		}
	}
	same(t, "preview", h.preview(p), nil)

	// Asked for, the name is resolved anew, once.
	same(t, "changes with always", h.applyImages(p, enclave.ImageAlways), []string{
		"CreateService dev/web", "StartService dev/web",
		"CreateService dev/other", "StartService dev/other",
	})
	second := h.imageOf("web")
	if second == first || h.imageOf("other") != second {
		t.Errorf("images are %s and %s, want another one than %s", second, h.imageOf("other"), first)
	}
	same(t, "changes with always again", h.applyImages(p, enclave.ImageAlways), nil)
	same(t, "changes with missing afterwards", h.applyImages(p, enclave.ImageMissing), nil)
}

func TestImageThatIsGoneComesBackByItsDigest(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.backend.PublishImage(movingImage, "first")
	p := planOf(add("web", image(movingImage)))
	h.applyImages(p, enclave.ImageMissing)
	first := h.imageOf("web")
	h.backend.PublishImage(movingImage, "second")
	forget := func() {
		h.Helper()
		h.backend.Vanish(testEnclave, "web")
		for _, name := range []string{movingImage, "registry.example.com/app@" + first} {
			if err := h.backend.RemoveImage(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	forget()
	h.applyImages(p, enclave.ImageMissing)
	if got := h.imageOf("web"); got != first {
		t.Errorf("the service was healed with image %s, want %s", got, first)
	}
	forget()
	request := h.request(p)
	request.Images = enclave.ImageNever
	_, err := h.engine.Apply(t.Context(), request)
	mention(t, err, movingImage, "never")
}

func TestImageOutsideOfThePlanIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.backend.TagImage(movingImage, "first")
	h.applyImages(planOf(add("web", image(movingImage))), enclave.ImageMissing)
	first := h.imageOf("web")
	h.applyImages(planOf(add("web")), enclave.ImageMissing)
	h.backend.TagImage(movingImage, "second")
	h.applyImages(planOf(add("web", image(movingImage))), enclave.ImageMissing)
	if h.imageOf("web") == first {
		t.Error("an image that had left the plan was not resolved anew")
	}
}

func TestNewerImageShows(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.backend.PublishImage(movingImage, "first")
	p := planOf(add("web", image(movingImage)), add("local"))
	h.applyImages(p, enclave.ImageAlways)
	statuses := func() []string {
		view, err := h.engine.ViewNewerImages(t.Context(), testEnclave, testRun)
		if err != nil {
			t.Fatal(err)
		}
		result := view.Result()
		return []string{fmt.Sprint(result.Services["web"].Status, " ", result.Services["web"].Holds), fmt.Sprint(result.Services["local"].Status, " ", result.Services["local"].Holds)}
	}
	same(t, "while nothing has moved", statuses(), []string{"running true", "running true"})
	h.backend.PublishImage(movingImage, "second")
	same(t, "when the image has moved on", statuses(), []string{"running (newer image) false", "running true"})
	h.applyImages(p, enclave.ImageAlways)
	same(t, "after an apply", statuses(), []string{"running true", "running true"})
}

func TestNewerImageNeedsNoRegistry(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Before = func(_ context.Context, call memory.Call) error {
			if call.Method == "RegistryDigest" {
				return fmt.Errorf("the registry is away: %w", enclave.ErrNotFound)
			}
			return nil
		}
	})
	h.backend.PublishImage(movingImage, "first")
	h.applyImages(planOf(add("web", image(movingImage))), enclave.ImageAlways)
	view, err := h.engine.ViewNewerImages(t.Context(), testEnclave, testRun)
	if err != nil {
		t.Fatal(err)
	}
	if got := view.Result().Services["web"].Status; got != "running" {
		t.Errorf("got %s, want running", got)
	}
}

// built is a service whose image is built of one file, and one file that is ignored.
func built(t *testing.T, content, ignored string) func(*plan.ServiceSpec) {
	t.Helper()
	files, err := plan.NewFileTree([]plan.File{
		plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY . /\n"), plan.TextFile(".dockerignore", 0o644, "*.log\n"),
		plan.TextFile("app.txt", 0o644, content), plan.TextFile("x.log", 0o644, ignored),
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(s *plan.ServiceSpec) {
		s.Image = plan.Image{Name: "test/built:1", Build: &plan.Build{Context: files, Args: map[string]string{"PASSWORD": "hunter2"}}}
	}
}

func TestBuiltImageChangesWithWhatTheBuildSees(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("web", built(t, "1", "a")), add("db")))
	ignored := planOf(add("web", built(t, "1", "b")), add("db"))
	same(t, "preview of an ignored change", h.preview(ignored), nil)
	_, changes, _ := h.apply(ignored)
	same(t, "changes of an ignored change", changes, nil)

	seen := planOf(add("web", built(t, "2", "b")), add("db"))
	same(t, "preview of a change", h.preview(seen), []string{"replace web: image changed"})
	_, changes, _ = h.apply(seen)
	same(t, "changes of a change", changes, []string{"CreateService dev/web", "StartService dev/web"})
	same(t, "preview afterwards", h.preview(seen), nil)

	content, err := h.backend.Record(t.Context(), testEnclave, recordName(testRun))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(content); strings.Contains(text, "hunter2") || !strings.Contains(text, "test/built:1") {
		t.Errorf("the record must name the image and no build argument: %s", text)
	}
}
