package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// buildless is a backend that has no way to built images.
type buildless struct{ enclave.Backend }

// CheckImage implements enclave.ImageChecker.
func (buildless) CheckImage(image plan.Image) error {
	if image.Build == nil {
		return nil
	}
	return &enclave.ImageError{Image: image.Name, Action: "build", Err: errors.New("there is no registry")}
}

// A plan that a backend cannot carry out is refused at its place, with all that is wrong, before anything is made.
func TestPlanWithoutAWayToItsImagesIsRefused(t *testing.T) {
	h := newHarness(t, nil)
	built := func(s *plan.ServiceSpec) {
		s.Image = plan.Image{Name: "test/" + s.Name, Build: &plan.Build{Context: tree(t, "FROM scratch"), BuildFile: "Dockerfile"}}
	}
	p := planOf(add("db"), add("api", built), add("web", built))
	err := CheckPlan(buildless{h.backend}, p)
	for _, want := range []string{`"test/api"`, `"test/web"`, "no registry"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that mentions %s", err, want)
		}
	}
	before := len(h.backend.Changes())
	_, err = New(buildless{h.backend}, Options{}).Apply(t.Context(), h.request(p))
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Service != "api" {
		t.Errorf("got error %v, want that of the first service", err)
	}
	if after := len(h.backend.Changes()); after != before {
		t.Errorf("%d changes were made", after-before)
	}
	if err := CheckPlan(h.backend, p); err != nil {
		t.Errorf("a backend that builds refuses: %v", err)
	}
}

// mute is a backend that cannot ask registries, and then knows only what a name is.
type mute struct{ enclave.Backend }

// EnsureImage implements enclave.Images.
func (b mute) EnsureImage(_ context.Context, image plan.Image, _ enclave.ImagePolicy) (*enclave.Image, error) {
	return &enclave.Image{Name: image.Name, ID: image.Name, Unresolved: true}, nil
}

// A registry that cannot be asked for a while replaces nothing.
func TestImageThatCannotBeResolvedStaysWhatItWas(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.backend.PublishImage(movingImage, "first")
	p := planOf(add("web", image(movingImage)))
	h.applyImages(p, enclave.ImageAlways)
	first := h.imageOf("web")
	direct := h.engine
	h.engine = New(mute{h.backend}, Options{})
	request := h.request(p)
	request.Images = enclave.ImageAlways
	result, err := h.engine.Apply(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.imageOf("web"); got != first || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], movingImage) {
		t.Errorf("the image is %s and the warnings are %q, want %s and one about it", got, result.Warnings, first)
	}
	h.engine = direct
	h.backend.PublishImage(movingImage, "second")
	h.applyImages(p, enclave.ImageAlways)
	if h.imageOf("web") == first {
		t.Error("what the name means was not asked when it could be")
	}
}
