package cli

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// onlyImages is a Docker Engine on which nothing is to be cleaned but some images: others use it as well, and what is theirs
// is not this test's to remove.
type onlyImages struct {
	*docker.Backend
	ids []string
}

func (o *onlyImages) ListEnclaves(context.Context) ([]enclave.Enclave, error) { return nil, nil }

func (o *onlyImages) Orphans(context.Context) ([]enclave.Orphan, error) { return nil, nil }

func (o *onlyImages) OrphanImages(ctx context.Context) ([]enclave.OrphanImage, error) {
	found, err := o.Backend.OrphanImages(ctx)
	return slices.DeleteFunc(found, func(image enclave.OrphanImage) bool { return !slices.Contains(o.ids, image.ID) }), err
}

// TestDockerCleanRemovesImages builds an image that a service uses and one that nobody does.
func TestDockerCleanRemovesImages(t *testing.T) {
	if os.Getenv("SUNDOG_TEST_DOCKER") != "1" {
		t.Skip("SUNDOG_TEST_DOCKER=1 runs the tests that need a Docker Engine")
	}
	backend := &onlyImages{Backend: docker.New(docker.Options{})}
	t.Cleanup(func() { enclavetest.Must(t, backend.Close()) })
	base := plan.Image{Name: enclavetest.BuildImages(t, backend).Service}
	used, err := backend.EnsureImage(t.Context(), base, enclave.ImageNever)
	enclavetest.Must(t, err)
	name := enclavetest.MakeEnclave(t, backend)
	_, err = backend.CreateService(t.Context(), name, enclave.ServiceRequest{
		Run: "shop", Owner: enclavetest.Owner, Digest: "d1", Image: *used, Spec: plan.ServiceSpec{Name: "api", Image: base, Cmd: []string{"serve"}},
	})
	enclavetest.Must(t, err)
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY note /note\n"), plan.TextFile("note", 0o644, name)})
	enclavetest.Must(t, err)
	orphan := plan.Image{Name: "sundog-test/orphan:" + name, Build: &plan.Build{Context: tree}}
	t.Cleanup(func() { enclavetest.RemoveImage(t, backend, orphan.Name) })
	unused, err := backend.EnsureImage(t.Context(), orphan, enclave.ImageMissing)
	enclavetest.Must(t, err)
	backend.ids = []string{used.ID, unused.ID}
	isThere := func(image *enclave.Image) bool {
		t.Helper()
		_, err := backend.ResolvedImage(t.Context(), *image)
		if err != nil && !errors.Is(err, enclave.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}

	tools := realTools()
	tools.backend = func(backendFlag) (enclave.Backend, error) { return backend, nil }
	w := &world{T: t, tools: tools, clock: time.Now()}
	// Wherever an apply is under way on this engine, no image is taken for an orphan; applies end.
	var told strings.Builder
	for deadline := time.Now().Add(3 * time.Minute); isThere(unused) && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		told.WriteString(w.run("clean", "--yes").output)
	}
	contains(t, told.String(), "removed image "+orphan.Name+"\n", "no enclave uses it any more")
	if isThere(unused) || !isThere(used) {
		t.Errorf("the image that nobody uses is there: %t, the one that a service uses: %t", isThere(unused), isThere(used))
	}
}
