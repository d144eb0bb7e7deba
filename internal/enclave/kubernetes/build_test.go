package kubernetes

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// countedBuilder counts what is asked of a builder.
type countedBuilder struct {
	enclave.ImageBuilder
	mutex  sync.Mutex
	made   int
	pushed []string // as nodes name it
}

func (b *countedBuilder) PushImage(ctx context.Context, image plan.Image, architecture, reference string) (string, error) {
	digest, err := b.ImageBuilder.PushImage(ctx, image, architecture, reference)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.made++
	b.pushed = append(b.pushed, reference[:strings.LastIndex(reference, ":")]+"@"+digest)
	return digest, err
}

func (b *countedBuilder) SaveImage(ctx context.Context, image plan.Image, architecture, reference string, archive io.Writer) error {
	b.mutex.Lock()
	b.made++
	b.mutex.Unlock()
	return b.ImageBuilder.SaveImage(ctx, image, architecture, reference, archive)
}

// dockerBase makes the test image on a local Docker Engine, for builds to begin with.
func dockerBase(t *testing.T) string {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_DOCKER") != "1" {
		t.Skip("SUNDOG_TEST_DOCKER=1 runs the tests that need a Docker Engine")
	}
	engine := docker.New(docker.Options{})
	t.Cleanup(func() { must(t, engine.Close()) })
	return enclavetest.BuildImages(t, engine).Service
}

// builderWith is a backend that builds on the local engine and pushes to a registry for which the user has a password.
func builderWith(t *testing.T, address, password string) (*Backend, *countedBuilder) {
	t.Helper()
	logins := registry.Logins{Directory: enclavetest.DockerConfig(t, address, password)}
	builder := &countedBuilder{ImageBuilder: docker.NewImageBuilder(docker.Options{Logins: logins})}
	t.Cleanup(func() { enclavetest.RemoveFromNodes(t, builder.pushed...) })
	return backendWith(t, func(options *Options) {
		options.Logins, options.Builder, options.ImageRegistry = logins, builder, address+"/team"
	}), builder
}

// greeting is an image to be built that says something else than others.
func greeting(t *testing.T, base, text string) plan.Image {
	t.Helper()
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, "FROM "+base+"\nENV GREETING="+text+"\n")})
	must(t, err)
	return plan.Image{Name: "shop/greeter:dev", Build: &plan.Build{Context: tree}}
}

func ensure(t *testing.T, backend *Backend, image plan.Image) *enclave.Image {
	t.Helper()
	ready, err := backend.EnsureImage(t.Context(), image, enclave.ImageMissing)
	must(t, err)
	return ready
}

func startBuilt(t *testing.T, backend *Backend, name string, image plan.Image, ready *enclave.Image) {
	t.Helper()
	must(t, createAndStart(t.Context(), backend, name, enclave.ServiceRequest{
		Run: "suite", Owner: testOwner, Digest: ready.ID, Image: *ready,
		Spec: plan.ServiceSpec{Name: "api", Image: image, Cmd: []string{"serve", "-http", "8080"}, Ports: map[string]plan.Port{"http": {Number: 8080, Transport: "TCP"}}},
	}))
}

// What a package builds is pushed once for equal content, pulled by the nodes with the user's credentials, and named by its
// digest, so that it never means anything else.
func TestKubernetesPushesWhatItBuilds(t *testing.T) {
	t.Parallel()
	base := dockerBase(t)
	address := enclavetest.StartRegistry(t, enclavetest.NodeNetwork(t))
	backend, builder := builderWith(t, address, enclavetest.RegistryPassword)
	first := greeting(t, base, "hello")
	ready := ensure(t, backend, first)
	if ready.Origin != "built" || ready.Name != first.Name || !strings.HasPrefix(ready.ID, address+"/team/shop/greeter@sha256:") {
		t.Errorf("got %+v, want an image of the registry", ready)
	}
	name := makeEnclave(t, backend)
	startBuilt(t, backend, name, first, ready)
	if got := exec1(t, backend, name, "api", "env", "GREETING"); got != "hello" {
		t.Errorf("the service says %q", got)
	}
	if pod := podOf(t, backend, name, "api"); pod.Spec.Containers[0].Image != ready.ID {
		t.Errorf("the pod names %s, want %s", pod.Spec.Containers[0].Image, ready.ID)
	}
	// Another process finds it in the registry.
	other, idle := builderWith(t, address, enclavetest.RegistryPassword)
	if again := ensure(t, other, first); again.ID != ready.ID || idle.made != 0 || builder.made != 1 {
		t.Errorf("equal content was built again (%d and %d times): %s, then %s", builder.made, idle.made, ready.ID, again.ID)
	}
	second := ensure(t, other, greeting(t, base, "goodbye"))
	if second.ID == ready.ID || idle.made != 1 {
		t.Errorf("other content was built %d times, as %s", idle.made, second.ID)
	}
	resolved, err := other.ResolvedImage(t.Context(), *ready)
	must(t, err)
	if resolved.ID != ready.ID {
		t.Errorf("what the first image was resolved to is %s by now", resolved.ID)
	}
	// The engine keeps neither.
	engine := docker.New(docker.Options{})
	t.Cleanup(func() { must(t, engine.Close()) })
	digest, err := builder.BuildDigest(first.Build)
	must(t, err)
	_, err = engine.EnsureImage(t.Context(), plan.Image{Name: address + "/team/shop/greeter:" + digest + "-" + builtFor(t, backend)}, enclave.ImageNever)
	if _, missing := errors.AsType[*enclave.ImageError](err); !missing {
		t.Errorf("got error %v, want that the engine has the image no more", err)
	}

	// Whoever may not push is told.
	refused, _ := builderWith(t, address, "wrong-"+enclavetest.RegistryPassword)
	_, err = refused.EnsureImage(t.Context(), greeting(t, base, "never"), enclave.ImageMissing)
	mentions(t, err, first.Name, address+"/team/shop/greeter", "docker login "+address)
	if strings.Contains(err.Error(), enclavetest.RegistryPassword) {
		t.Errorf("the error shows the password: %v", err)
	}
}

func builtFor(t *testing.T, backend *Backend) string {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	architecture, _, err := backend.architecture(t.Context(), conn, enclave.ServiceRequest{})
	must(t, err)
	return architecture
}

// Where there is no registry, a command loads what is built into the nodes.
func TestKubernetesLoadsWhatItBuilds(t *testing.T) {
	t.Parallel()
	base := dockerBase(t)
	load := strings.Fields(os.Getenv("SUNDOG_TEST_KUBERNETES_LOAD"))
	if len(load) == 0 {
		t.Skip("SUNDOG_TEST_KUBERNETES_LOAD says which command loads an image archive into the nodes")
	}
	builder := &countedBuilder{ImageBuilder: docker.NewImageBuilder(docker.Options{})}
	backend := backendWith(t, func(options *Options) { options.Builder, options.ImageLoadCommand = builder, load })
	image := greeting(t, base, "loaded")
	ready := ensure(t, backend, image)
	unload(t, ready.ID)
	if again := ensure(t, backend, image); again.ID != ready.ID || builder.made != 1 {
		t.Errorf("it was loaded %d times, as %s and %s", builder.made, ready.ID, again.ID)
	}
	name := makeEnclave(t, backend)
	startBuilt(t, backend, name, image, ready)
	if got := exec1(t, backend, name, "api", "env", "GREETING"); got != "loaded" {
		t.Errorf("the service says %q", got)
	}
	broken := backendWith(t, func(options *Options) {
		options.Builder, options.ImageLoadCommand = builder, []string{"sh", "-c", "echo no such node; exit 3"}
	})
	_, err := broken.EnsureImage(t.Context(), image, enclave.ImageMissing)
	mentions(t, err, image.Name, "image_load_command", "no such node", "exit status 3")
}

// With "always" the registry tells what a name means, and a moved name is seen.
func TestKubernetesResolvesWhatIsAlwaysPulled(t *testing.T) {
	t.Parallel()
	address, image := publish(t)
	backend := withLogin(t, address, enclavetest.RegistryPassword)
	asked := plan.Image{Name: image}
	first, err := backend.EnsureImage(t.Context(), asked, enclave.ImageAlways)
	must(t, err)
	digest, err := backend.RegistryDigest(t.Context(), asked)
	must(t, err)
	if first.Digest != digest || first.ID != digest || !strings.HasPrefix(digest, address+"/team/service@sha256:") {
		t.Errorf("got %+v, want the digest %s", first, digest)
	}
	push(t, image, enclavetest.SaveImages(t, "service:1", "unprivileged:1"), "unprivileged:1")
	second, err := backend.EnsureImage(t.Context(), asked, enclave.ImageAlways)
	must(t, err)
	if second.ID == first.ID {
		t.Errorf("the name still means %s", second.ID)
	}
	// What was there before is still there under its digest.
	name := makeEnclave(t, backend)
	startBuilt(t, backend, name, asked, first)
	unload(t, first.ID)

	// Who cannot ask leaves it to the nodes.
	unasked, err := withLogin(t, address, "").EnsureImage(t.Context(), asked, enclave.ImageAlways)
	must(t, err)
	if !unasked.Unresolved || unasked.ID != image || unasked.Policy != enclave.ImageAlways {
		t.Errorf("got %+v, want the name alone", unasked)
	}
	if _, err = withLogin(t, address, "").RegistryDigest(t.Context(), asked); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

// A built image that would get to no node is refused before anybody is asked.
func TestBuildsNeedAWayToTheNodes(t *testing.T) {
	t.Parallel()
	image := greeting(t, "scratch", "hello")
	builder := docker.NewImageBuilder(docker.Options{})
	for _, options := range []Options{{}, {Builder: builder}, {ImageRegistry: "registry.example.com"}} {
		err := New(options).CheckImage(image)
		mentions(t, err, image.Name, "image_registry", "image_load_command", "SUNDOG_KUBERNETES_IMAGE_REGISTRY")
		if _, ok := errors.AsType[*enclave.ImageError](err); !ok {
			t.Errorf("got %T, want an ImageError", err)
		}
	}
	for _, options := range []Options{{Builder: builder, ImageRegistry: "registry.example.com"}, {Builder: builder, ImageLoadCommand: []string{"load"}}} {
		must(t, New(options).CheckImage(image))
	}
	must(t, New(Options{}).CheckImage(plan.Image{Name: "nginx"}))
}
