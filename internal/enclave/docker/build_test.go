package docker

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"
	"github.com/tonistiigi/fsutil"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// stageLabel marks the images of one test's builds.
const stageLabel = "sundog-test-stage"

// classicBackend is a backend on an engine that has no BuildKit, as far as it is told.
func classicBackend(t *testing.T) *Backend {
	t.Helper()
	backend := dockerBackend(t)
	connectionOf(t, backend).builder = func(context.Context) (build.BuilderVersion, error) { return build.BuilderV1, nil }
	return backend
}

// tryBuild builds an image of a build file, and files given as further ones.
func tryBuild(t *testing.T, backend *Backend, name, buildFile string, files ...plan.File) (*enclave.Image, error) {
	t.Helper()
	tree, err := plan.NewFileTree(append([]plan.File{plan.TextFile("Dockerfile", 0o644, buildFile)}, files...))
	must(t, err)
	return backend.EnsureImage(t.Context(), plan.Image{Name: name, Build: &plan.Build{Context: tree}}, enclave.ImageMissing)
}

// imageName gives a name for a built image, which goes when the test ends.
func imageName(t *testing.T, backend *Backend) string {
	t.Helper()
	name := "sundog-test/built:" + reserveEnclave(t, backend)
	t.Cleanup(func() {
		ctx, cancel := detach(t.Context())
		defer cancel()
		must(t, backend.RemoveImage(ctx, name))
	})
	return name
}

func TestDockerConformsWithTheClassicBuilder(t *testing.T) {
	t.Parallel()
	backend := classicBackend(t)
	enclavetest.RunImages(t, backend, enclavetest.BuildImages(t, backend))
}

func TestDockerBuildsWithBuildKit(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	images := enclavetest.BuildImages(t, backend)
	name := imageName(t, backend)
	program := enclavetest.ServiceProgram
	// Only BuildKit has mounts of a build; each build writes what the one before it must not have to.
	mounted := func(command string) string {
		return "FROM " + images.Service + "\nENV FOR=" + name + "\nRUN --mount=type=cache,id=" + name + ",target=/cache --mount=type=bind,source=a.txt,target=/bound.txt [\"" + program + "\", " + command + "]\n"
	}
	file := plan.TextFile("a.txt", 0o644, "bound")
	_, err := tryBuild(t, backend, name, mounted(`"write", "/cache/kept", "x"`), file)
	must(t, err)
	_, err = tryBuild(t, backend, name, mounted(`"cat", "/cache/kept"`), file)
	must(t, err)
	_, err = tryBuild(t, backend, name, mounted(`"cat", "/bound.txt"`), file)
	must(t, err)

	_, err = tryBuild(t, backend, name, mounted(`"cat", "/cache/missing"`), file)
	mentions(t, err, name, "RUN --mount", "its last output was", "/cache/missing: no such file")
	// Nothing listens on port 1.
	_, err = tryBuild(t, backend, name, "# syntax=127.0.0.1:1/dockerfile:1\nFROM scratch\n")
	mentions(t, err, "frontend 127.0.0.1:1/dockerfile:1", "take out the line")

	found, err := backend.EnsureImage(t.Context(), plan.Image{Name: name}, enclave.ImageNever)
	must(t, err)
	inspected, err := connectionOf(t, backend).ImageInspect(t.Context(), found.ID)
	must(t, err)
	if labels := inspected.Config.Labels; labels[enclave.LabelManagedBy] != enclave.ManagedBy || labels[enclave.LabelRole] != roleImage || labels[enclave.LabelDigest] == "" {
		t.Errorf("the image's labels are %v", labels)
	}
}

func TestDockerTellsThatABuildNeedsBuildKit(t *testing.T) {
	t.Parallel()
	backend := classicBackend(t)
	name := imageName(t, backend)
	for _, text := range []string{
		"FROM scratch\nRUN --mount=type=cache,target=/cache [\"/x\"]\n",
		"FROM scratch\nCOPY <<EOF /x\nhello\nEOF\n",
		"FROM scratch\nCOPY --link Dockerfile /x\n",
	} {
		_, err := tryBuild(t, backend, name, text)
		mentions(t, err, "needs BuildKit", "DOCKER_BUILDKIT")
	}
}

func TestDockerBuildsWithoutSessions(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	gate := newGate(t, direct, 0, nil)
	gate.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/session") {
			http.NotFound(w, r)
			return true
		}
		return false
	}
	backend := New(Options{Host: gate.Host})
	name := imageName(t, direct)
	var steps []string
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY Dockerfile /"+name+"\n")})
	must(t, err)
	ctx := enclave.WithProgress(t.Context(), func(line string) { steps = append(steps, line) })
	_, err = backend.EnsureImage(ctx, plan.Image{Name: name, Build: &plan.Build{Context: tree}}, enclave.ImageMissing)
	must(t, err)
	if !slices.Contains(steps, "1/5 : FROM scratch") {
		t.Errorf("the steps %q are not the classic builder's", steps)
	}
}

func TestDockerBuildsEqualInputOnce(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	first, second := imageName(t, backend), imageName(t, backend)
	text := "FROM scratch\nCOPY Dockerfile /" + first + "\n"
	one, err := tryBuild(t, backend, first, text)
	must(t, err)
	two, err := tryBuild(t, backend, second, text)
	must(t, err)
	if one.ID != two.ID {
		t.Errorf("equal input gave %s and %s", one.ID, two.ID)
	}
}

func TestDockerBuildFailsWhenAFileChangesMeanwhile(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	name := imageName(t, backend)
	changed, missing := plan.TextFile("a.txt", 0o644, name), plan.TextFile("a.txt", 0o644, name)
	changed.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("other")), nil }
	missing.Open = func() (io.ReadCloser, error) { return nil, fs.ErrNotExist }
	for _, file := range []plan.File{changed, missing} {
		_, err := tryBuild(t, backend, name, "FROM scratch\nCOPY a.txt /\n", file)
		mentions(t, err, name, "a.txt")
	}
}

func TestDockerBuildsLeaveNothingWithoutAName(t *testing.T) {
	t.Parallel()
	for name, backend := range map[string]*Backend{"classic": classicBackend(t), "BuildKit": dockerBackend(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leavesNothingWithoutAName(t, backend)
		})
	}
}

func leavesNothingWithoutAName(t *testing.T, backend *Backend) {
	t.Helper()
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

func TestBuildFilesAreWalkedInOrder(t *testing.T) {
	t.Parallel()
	var failures []error
	files := newBuildFiles([]plan.File{
		plan.TextFile("a-b", 0o644, ""), plan.TextFile("a.txt", 0o644, ""), plan.TextFile("a/b/c", 0o755, "x"), plan.TextFile("a/d", 0o644, ""),
		{Path: "a/link", Mode: fs.ModeSymlink | 0o777, Link: "../a.txt"},
		{Path: "empty", Mode: fs.ModeDir | 0o755},
	}, func(err error) { failures = append(failures, err) })
	walk := func(target string, answer error) []string {
		var names []string
		must(t, files.Walk(t.Context(), target, func(name string, entry fs.DirEntry, err error) error {
			must(t, err)
			names = append(names, name)
			if name == "a/b" {
				return answer
			}
			return nil
		}))
		return names
	}
	all := []string{"a", "a/b", "a/b/c", "a/d", "a/link", "a-b", "a.txt", "empty"}
	for _, c := range []struct {
		target string
		answer error
		want   []string
	}{
		{"/", nil, all},
		{"a", nil, all[:5]},
		{"a/b", nil, all[1:3]},
		{"none", nil, nil},
		{"", fs.SkipDir, []string{"a", "a/b", "a/d", "a/link", "a-b", "a.txt", "empty"}},
		{"", fs.SkipAll, []string{"a", "a/b"}},
	} {
		if got := walk(c.target, c.answer); !slices.Equal(got, c.want) {
			t.Errorf("%q, %v: got %q, want %q", c.target, c.answer, got, c.want)
		}
	}
	// The library's own filter takes it for what it is.
	filtered, err := fsutil.NewFilterFS(files, &fsutil.FilterOpt{FollowPaths: []string{"a/link"}})
	must(t, err)
	var names []string
	must(t, filtered.Walk(t.Context(), "/", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	}))
	if want := []string{"a", "a/link", "a.txt"}; !slices.Equal(names, want) {
		t.Errorf("what a link leads to: got %q, want %q", names, want)
	}
	if _, err := files.Open("none"); !errors.Is(err, fs.ErrNotExist) || len(failures) != 1 {
		t.Errorf("got error %v and failures %v, want that the file is not there", err, failures)
	}
}
