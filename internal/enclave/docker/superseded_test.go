package docker

import (
	"testing"

	"github.com/containerd/errdefs"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// TestDockerRemovesSupersededImages builds an image anew while two enclaves use it: the old one goes with its last user.
func TestDockerRemovesSupersededImages(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn, base := connectionOf(t, backend), enclavetest.BuildImages(t, backend).Service
	first, second := reserveEnclave(t, backend), reserveEnclave(t, backend)
	build := func(level string) (plan.Image, *enclave.Image) {
		t.Helper()
		tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, "FROM "+base+"\nCOPY level /level\n"), plan.TextFile("level", 0o644, level)})
		must(t, err)
		image := plan.Image{Name: "sundog-test/superseded:" + first, Build: &plan.Build{Context: tree}}
		built, err := backend.EnsureImage(t.Context(), image, enclave.ImageMissing)
		must(t, err)
		return image, built
	}
	create := func(name, level string) *enclave.Image {
		t.Helper()
		image, built := build(level)
		request := serviceRequest(t, backend, base)
		request.Spec.Image, request.Image = image, *built
		_, err := backend.CreateService(t.Context(), name, request)
		must(t, err)
		return built
	}
	isThere := func(image *enclave.Image) bool {
		t.Helper()
		_, err := conn.ImageInspect(t.Context(), image.ID)
		if err != nil && !errdefs.IsNotFound(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	for _, name := range []string{first, second} {
		_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
		must(t, err)
	}
	one := create(first, "1")
	create(second, "1")
	two := create(first, "2")
	if !isThere(one) {
		t.Error("the old image is gone although a service uses it")
	}
	three := create(first, "3")
	if isThere(two) {
		t.Error("the image of a replaced service is left without a name")
	}
	// A replacement that is cut off once the old container is gone leaves its image without a name and without a user.
	_, four := build("4")
	found, err := conn.containersOf(t.Context(), ofEnclave(first), ofRole(roleService))
	must(t, err)
	for _, item := range found {
		must(t, conn.removeContainer(t.Context(), item.ID))
	}
	if !isThere(three) {
		t.Fatal("this test needs an image without a name")
	}
	must(t, backend.Sweep(t.Context(), first))
	must(t, backend.Sweep(t.Context(), second))
	if isThere(three) || !isThere(one) || !isThere(four) {
		t.Errorf("after a sweep: the old image %t, the one in use %t, the newest %t", isThere(three), isThere(one), isThere(four))
	}
	four = create(first, "4")
	must(t, backend.RemoveEnclave(t.Context(), second))
	if isThere(one) {
		t.Error("the old image is left without a name after its last user has gone")
	}
	must(t, backend.RemoveEnclave(t.Context(), first))
	if isThere(four) {
		t.Error("the image is left after its enclave")
	}
}
