package docker

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// pulls checks that an image is pulled, and that the engine uses it afterwards without asking again.
func (r *testRegistry) pulls(backend *Backend, image plan.Image) *enclave.Image {
	r.Helper()
	pulled, err := backend.EnsureImage(r.Context(), image, enclave.ImageMissing)
	must(r.T, err)
	if pulled.Origin != originPulled || pulled.Name != image.Name || pulled.ID == "" || !strings.Contains(pulled.Digest, "@sha256:") {
		r.Errorf("got %+v", pulled)
	}
	local, err := backend.EnsureImage(r.Context(), image, enclave.ImageNever)
	must(r.T, err)
	if local.Origin != originLocal || local.ID != pulled.ID || local.Digest != pulled.Digest {
		r.Errorf("got %+v, want the image %+v", local, pulled)
	}
	return pulled
}

// refuses checks that an image is not pulled, for reasons that the error tells without telling a password.
func (r *testRegistry) refuses(backend *Backend, image plan.Image, mention ...string) {
	r.Helper()
	_, err := backend.EnsureImage(r.Context(), image, enclave.ImageMissing)
	refused, ok := errors.AsType[*enclave.ImageError](err)
	if !ok || refused.Action != actionPull {
		r.Fatalf("got error %v, want an ImageError", err)
	}
	mentions(r.T, err, append(mention, image.Name)...)
	if strings.Contains(err.Error(), registryPassword) {
		r.Errorf("the error shows the password: %v", err)
	}
}

func TestDockerRegistryTakesTheUsersCredentials(t *testing.T) {
	backend := dockerBackend(t)
	source := newTestRegistry(t, connectionOf(t, backend))
	image := plan.Image{Name: source.image("app:1")}
	source.publish(image.Name, runtime.GOARCH, "")

	source.settings(`{}`)
	source.refuses(backend, image, "docker login "+source.address, "ImageSpec")
	source.login("wrong-" + registryPassword)
	source.refuses(backend, image, "docker login "+source.address, "refuses the credentials of the Docker configuration")
	source.login(registryPassword)
	source.pulls(backend, image)
	always, err := backend.EnsureImage(t.Context(), image, enclave.ImageAlways)
	must(t, err)
	if always.Origin != originPulled {
		t.Errorf("got %+v, want that it was pulled", always)
	}
	source.refuses(backend, plan.Image{Name: source.address + "/app:2"}, "manifest unknown")

	for _, settings := range []string{`{"credsStore": "sundogtest"}`, `{"credHelpers": {"` + source.address + `": "sundogtest"}}`} {
		source.forget(image.Name)
		source.settings("%s", settings)
		source.refuses(backend, image, "sundogtest")
		t.Run("helper", func(t *testing.T) {
			helper(t, "sundogtest", registryUser, registryPassword)
			(&testRegistry{T: t, conn: source.conn, address: source.address}).pulls(backend, image)
		})
	}

	source.forget(image.Name)
	source.settings(`{}`)
	t.Setenv("DOCKER_AUTH_CONFIG", `{"auths": {"`+source.address+`": {"auth": "`+encodedLogin(registryPassword)+`"}}}`)
	source.pulls(backend, image)
}

func TestDockerRegistryTakesThePackagesCredentialsFirst(t *testing.T) {
	backend := dockerBackend(t)
	source := newTestRegistry(t, connectionOf(t, backend))
	foreign := map[string]string{"amd64": "arm64"}[runtime.GOARCH]
	if foreign == "" {
		foreign = "amd64"
	}
	image := plan.Image{Name: source.image("app:1"), Registry: &plan.RegistryCredentials{Username: registryUser, Password: "wrong-" + registryPassword}}
	source.publish(image.Name, foreign, "")
	source.login(registryPassword)
	source.refuses(backend, image, "ImageSpec", source.address)

	source.login("wrong")
	image.Registry.Password = registryPassword
	pulled := source.pulls(backend, image)
	if len(pulled.Warnings) != 1 || !strings.Contains(pulled.Warnings[0], foreign) || !strings.Contains(pulled.Warnings[0], runtime.GOARCH) {
		t.Errorf("the warnings are %q, want one about the architecture", pulled.Warnings)
	}
}

func TestDockerRegistryMovesAName(t *testing.T) {
	backend := dockerBackend(t)
	source := newTestRegistry(t, connectionOf(t, backend))
	image := plan.Image{Name: source.image("app:1")}
	source.publish(image.Name, runtime.GOARCH, "first")
	source.login(registryPassword)
	first := source.pulls(backend, image)
	t.Cleanup(func() {
		_, _ = source.conn.ImageRemove(source.cleanupContext(), first.Digest, client.ImageRemoveOptions{PruneChildren: true})
	})
	asked, err := backend.RegistryDigest(t.Context(), image)
	must(t, err)
	if asked != first.Digest {
		t.Errorf("the registry says %s, want %s", asked, first.Digest)
	}
	// The name is taken from the first image, which stays under its digest.
	byDigest := plan.Image{Name: first.Digest}
	kept := source.image("keep:1")
	_, err = source.conn.ImageTag(t.Context(), client.ImageTagOptions{Source: first.ID, Target: kept})
	must(t, err)
	source.publish(image.Name, runtime.GOARCH, "second")

	moved, err := backend.ResolvedImage(t.Context(), *first)
	must(t, err)
	if !moved.Moved || moved.ID != first.ID || moved.Name != image.Name || moved.Digest != first.Digest {
		t.Errorf("got %+v, want the first image %+v", moved, first)
	}
	asked, err = backend.RegistryDigest(t.Context(), image)
	must(t, err)
	if asked == first.Digest {
		t.Error("the registry still has the first image under the name")
	}
	second, err := backend.EnsureImage(t.Context(), image, enclave.ImageAlways)
	must(t, err)
	if second.ID == first.ID || second.Digest != asked {
		t.Errorf("got %+v, want another image than %+v, with the digest %s", second, first, asked)
	}

	// What is gone comes back by its digest.
	source.forget(kept)
	source.forget(first.ID)
	_, err = backend.ResolvedImage(t.Context(), *first)
	if !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got error %v, want that the image is not found", err)
	}
	again, err := backend.EnsureImage(t.Context(), byDigest, enclave.ImageMissing)
	must(t, err)
	if again.ID != first.ID {
		t.Errorf("the digest gave %s, want %s", again.ID, first.ID)
	}
}

func TestDockerRegistryGivesBuildsTheirBase(t *testing.T) {
	for _, buildKit := range []string{"1", "0"} {
		t.Run("DOCKER_BUILDKIT="+buildKit, func(t *testing.T) {
			t.Setenv("DOCKER_BUILDKIT", buildKit)
			backend := dockerBackend(t)
			source := newTestRegistry(t, connectionOf(t, backend))
			base := source.image("base:1")
			source.publish(base, runtime.GOARCH, buildKit)
			tree, err := plan.NewFileTree([]plan.File{plan.TextFile("Dockerfile", 0o644, "FROM "+base+"\nENV X="+buildKit+"\n")})
			must(t, err)
			image := plan.Image{Name: "sundog-test/based:" + reserveEnclave(t, backend), Build: &plan.Build{Context: tree}}
			t.Cleanup(func() { must(t, backend.RemoveImage(source.cleanupContext(), image.Name)) })
			source.settings(`{}`)
			_, err = backend.EnsureImage(t.Context(), image, enclave.ImageMissing)
			mentions(t, err, base)
			source.login(registryPassword)
			_, err = backend.EnsureImage(t.Context(), image, enclave.ImageMissing)
			must(t, err)
		})
	}
}
