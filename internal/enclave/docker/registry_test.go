package docker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// testRegistry is a small image registry that holds one image, "app:1", and asks for a password.
type testRegistry struct {
	*httptest.Server
	pulls atomic.Int32
}

const registryUser, registryPassword = "anna", "s3cret"

func newTestRegistry(t *testing.T, architecture string) *testRegistry {
	t.Helper()
	digestOf := func(data []byte) string {
		sum := sha256.Sum256(data)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	var layer, packed bytes.Buffer
	archive := tar.NewWriter(&layer)
	// Each test's image is another one.
	text := t.Name()
	must(t, archive.WriteHeader(&tar.Header{Name: "name", Mode: 0o644, Size: int64(len(text))}))
	_, err := archive.Write([]byte(text))
	must(t, err)
	must(t, archive.Close())
	zipper := gzip.NewWriter(&packed)
	_, err = zipper.Write(layer.Bytes())
	must(t, err)
	must(t, zipper.Close())
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux", "config": map[string]any{"Cmd": []string{"/none"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(layer.Bytes())}},
	})
	must(t, err)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digestOf(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": packed.Len(), "digest": digestOf(packed.Bytes())}},
	})
	must(t, err)
	blobs := map[string][]byte{digestOf(config): config, digestOf(packed.Bytes()): packed.Bytes()}
	result := &testRegistry{}
	result.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		if user, password, _ := r.BasicAuth(); user != registryUser || password != registryPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		path, isBlob := strings.CutPrefix(r.URL.Path, "/v2/app/blobs/")
		switch {
		case r.URL.Path == "/v2/":
		case r.URL.Path == "/v2/app/manifests/1" || r.URL.Path == "/v2/app/manifests/"+digestOf(manifest):
			if r.Method == http.MethodGet {
				result.pulls.Add(1)
			}
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			w.Header().Set("Docker-Content-Digest", digestOf(manifest))
			_, _ = w.Write(manifest)
		case isBlob && blobs[path] != nil:
			_, _ = w.Write(blobs[path])
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
		}
	}))
	t.Cleanup(result.Close)
	return result
}

// image names an image of the registry. The engine takes registries on this machine without encryption.
func (r *testRegistry) image(name string) string {
	return strings.TrimPrefix(r.URL, "http://") + "/" + name
}

// login writes the user's configuration with the right password.
func (r *testRegistry) login(t *testing.T, folder string) {
	t.Helper()
	secret := base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + registryPassword))
	writeFile(t, fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, strings.TrimPrefix(r.URL, "http://"), secret), folder, "config.json")
}

func TestDockerPullsWithTheUsersCredentials(t *testing.T) {
	backend := dockerBackend(t)
	connectionOf(t, backend)
	source := newTestRegistry(t, runtime.GOARCH)
	name := source.image("app:1")
	defer func() {
		_, err := connectionOf(t, backend).ImageRemove(t.Context(), name, client.ImageRemoveOptions{PruneChildren: true})
		must(t, err)
	}()
	folder := t.TempDir()
	t.Setenv("DOCKER_CONFIG", folder)
	_, err := backend.EnsureImage(t.Context(), plan.Image{Name: name}, enclave.ImageMissing)
	var refused *enclave.ImageError
	if !errors.As(err, &refused) || refused.Action != "pull" {
		t.Fatalf("without credentials: got error %v, want an ImageError", err)
	}
	mentions(t, err, name)
	source.login(t, folder)
	pulled, err := backend.EnsureImage(t.Context(), plan.Image{Name: name}, enclave.ImageMissing)
	must(t, err)
	if pulled.Origin != "pulled" || pulled.Name != name || pulled.ID == "" || len(pulled.Warnings) != 0 {
		t.Errorf("got %+v", pulled)
	}
	count := source.pulls.Load()
	local, err := backend.EnsureImage(t.Context(), plan.Image{Name: name}, enclave.ImageMissing)
	must(t, err)
	if local.Origin != "local" || local.ID != pulled.ID || source.pulls.Load() != count {
		t.Errorf("got %+v after %d more requests", local, source.pulls.Load()-count)
	}
	again, err := backend.EnsureImage(t.Context(), plan.Image{Name: name}, enclave.ImageAlways)
	must(t, err)
	if again.Origin != "pulled" || again.ID != pulled.ID {
		t.Errorf("got %+v", again)
	}
	_, err = backend.EnsureImage(t.Context(), plan.Image{Name: source.image("app:2")}, enclave.ImageMissing)
	mentions(t, err, "app:2", "manifest unknown")
}

func TestDockerPullsWithThePackagesCredentials(t *testing.T) {
	backend := dockerBackend(t)
	foreign := map[string]string{"amd64": "arm64"}[runtime.GOARCH]
	if foreign == "" {
		foreign = "amd64"
	}
	source := newTestRegistry(t, foreign)
	name := source.image("app:1")
	defer func() {
		_, _ = connectionOf(t, backend).ImageRemove(t.Context(), name, client.ImageRemoveOptions{PruneChildren: true})
	}()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	image := plan.Image{Name: name, Registry: &plan.RegistryCredentials{Username: registryUser, Password: "wrong-" + registryPassword}}
	_, err := backend.EnsureImage(t.Context(), image, enclave.ImageMissing)
	mentions(t, err, name)
	if strings.Contains(err.Error(), registryPassword) {
		t.Errorf("the error shows the password: %v", err)
	}
	image.Registry.Password = registryPassword
	pulled, err := backend.EnsureImage(t.Context(), image, enclave.ImageMissing)
	must(t, err)
	if pulled.Origin != "pulled" || len(pulled.Warnings) != 1 {
		t.Fatalf("got %+v, want a warning about the architecture", pulled)
	}
	if !strings.Contains(pulled.Warnings[0], foreign) || !strings.Contains(pulled.Warnings[0], runtime.GOARCH) {
		t.Errorf("the warning is %q", pulled.Warnings[0])
	}
}

func TestCredentialsComeFromHelpersToo(t *testing.T) {
	folder := cleanEnvironment(t)
	tools := t.TempDir()
	script := "#!/bin/sh\necho '{\"ServerURL\":\"x\",\"Username\":\"anna\",\"Secret\":\"from-helper\"}'\n"
	must(t, os.WriteFile(tools+"/docker-credential-test", []byte(script), 0o700))
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	writeFile(t, `{"auths": {"https://index.docker.io/v1/": {"auth": "`+base64.StdEncoding.EncodeToString([]byte("hub:pass"))+`"}}, "credHelpers": {"registry.example.com": "test"}}`, folder, "config.json")
	for image, want := range map[string]string{"registry.example.com/app:1": "anna:from-helper", "postgres:15": "hub:pass", "elsewhere.example.com/app": ""} {
		name, err := reference.ParseNormalizedNamed(image)
		must(t, err)
		encoded, err := registryAuth(nil, name)
		must(t, err)
		got := ""
		if encoded != "" {
			decoded, err := authconfig.Decode(encoded)
			must(t, err)
			got = decoded.Username + ":" + decoded.Password
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", image, got, want)
		}
	}
}
