package docker

import (
	"slices"
	"testing"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// stageLabel marks the images of one test's builds.
const stageLabel = "sundog-test-stage"

func TestDockerBuildsLeaveNothingWithoutAName(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	mark := reserveEnclave(t, backend)
	build := func(buildFile string) (string, error) {
		tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, buildFile), plan.TextFile("a.txt", 0o644, mark)})
		must(t, err)
		name := "sundog-test/stages:" + mark
		_, err = backend.EnsureImage(t.Context(), plan.Image{Name: name, Build: &plan.Build{Context: tree}}, enclave.ImageMissing)
		return name, err
	}
	stage := "FROM scratch AS first\nLABEL " + stageLabel + "=" + mark + "\nCOPY a.txt /a.txt\n"
	_, err := build(stage + "COPY none.txt /b.txt\n")
	mentions(t, err, "none.txt")
	name, err := build(stage + "FROM scratch\nCOPY --from=first /a.txt /b.txt\n")
	must(t, err)
	// Another build of the same name leaves nothing of the one before it.
	_, err = build(stage + "FROM scratch\nCOPY --from=first /a.txt /c.txt\n")
	must(t, err)
	must(t, backend.RemoveImage(t.Context(), name))
	left, err := conn.ImageList(t.Context(), client.ImageListOptions{All: true, Filters: withLabels(stageLabel + "=" + mark)})
	must(t, err)
	for _, image := range left.Items {
		t.Errorf("image %s %v is left", image.ID, image.RepoTags)
	}
}

func TestLeftoversOfBuildsAreFound(t *testing.T) {
	t.Parallel()
	const output = "Step 1/7 : FROM base AS one\n ---> 000000000001\nStep 2/7 : COPY a /a\n ---> 000000000002\nStep 3/7 : COPY b /b\n ---> 000000000003\n" +
		"Step 4/7 : from base AS two\n ---> 000000000001\nStep 5/7 : COPY a /a\n ---> Using cache\n ---> 000000000004\n" +
		"Step 6/7 : FROM scratch\n ---> \nStep 7/7 : COPY --from=one /a /a\n ---> Running in 000000000009\n ---> 000000000005\nSuccessfully built 000000000005\n"
	if got, want := leftovers(output, true), []string{"000000000003"}; !slices.Equal(got, want) {
		t.Errorf("after success: got %q, want %q", got, want)
	}
	if got, want := leftovers(output, false), []string{"000000000003", "000000000005"}; !slices.Equal(got, want) {
		t.Errorf("after failure: got %q, want %q", got, want)
	}
}
