package docker

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	engineregistry "github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
)

// testRegistry is a real image registry on this machine, for one test, that asks for a password. The engine takes
// registries on this machine without encryption.
type testRegistry struct {
	*testing.T
	conn    *connection
	address string
}

const registryUser, registryPassword = enclavetest.RegistryUser, enclavetest.RegistryPassword

func newTestRegistry(t *testing.T, conn *connection) *testRegistry {
	t.Helper()
	return &testRegistry{T: t, conn: conn, address: enclavetest.StartRegistry(t, "")}
}

// image names an image of the registry, and forgets what the engine has under that name when the test ends.
func (r *testRegistry) image(name string) string {
	r.Helper()
	name = r.address + "/" + name
	r.Cleanup(func() {
		_, _ = r.conn.ImageRemove(r.cleanupContext(), name, client.ImageRemoveOptions{PruneChildren: true})
	})
	return name
}

// publish makes the registry have an image of the given content; the engine does not keep it.
func (r *testRegistry) publish(name, architecture, content string) {
	r.Helper()
	archive, err := imageArchive(name, platform{OS: "linux", Architecture: architecture}, r.address+content)
	must(r.T, err)
	loaded, err := r.conn.ImageLoad(r.Context(), strings.NewReader(string(archive)))
	must(r.T, err)
	_, err = io.Copy(io.Discard, loaded)
	must(r.T, err)
	must(r.T, loaded.Close())
	credentials, err := authconfig.Encode(engineregistry.AuthConfig{Username: registryUser, Password: registryPassword})
	must(r.T, err)
	pushed, err := r.conn.ImagePush(r.Context(), name, client.ImagePushOptions{RegistryAuth: credentials})
	must(r.T, err)
	must(r.T, pushed.Wait(r.Context()))
	r.forget(name)
}

// forget removes an image from the engine.
func (r *testRegistry) forget(name string) {
	r.Helper()
	_, err := r.conn.ImageRemove(r.Context(), name, client.ImageRemoveOptions{PruneChildren: true})
	must(r.T, err)
}

// settings writes the user's Docker configuration and makes it the one that counts.
func (r *testRegistry) settings(format string, values ...any) {
	r.Helper()
	folder := r.TempDir()
	writeFile(r.T, fmt.Sprintf(format, values...), folder, "config.json")
	r.Setenv("DOCKER_CONFIG", folder)
}

// login is a configuration with a password.
func (r *testRegistry) login(password string) {
	r.Helper()
	r.settings(`{"auths": {%q: {"auth": %q}}}`, r.address, encodedLogin(password))
}

func encodedLogin(password string) string {
	return base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + password))
}

// helper puts a credential helper on PATH.
func helper(t *testing.T, name, username, password string) {
	t.Helper()
	folder := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nread -r url\necho '{\"ServerURL\":\"'$url'\",\"Username\":%q,\"Secret\":%q}'\n", username, password)
	must(t, os.WriteFile(filepath.Join(folder, "docker-credential-"+name), []byte(script), 0o700))
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// imageArchive is what `docker save` would write for an image with one file of the given content.
func imageArchive(name string, kind platform, content string) ([]byte, error) {
	layer, err := packFiles([]storeFile{{"name", []byte(content)}})
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": kind.Architecture, "os": kind.OS, "config": map[string]any{"Cmd": []string{"/none"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sha256Hex(layer)}},
	})
	if err != nil {
		return nil, err
	}
	configName := sha256Hex(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	return packFiles([]storeFile{{"layer.tar", layer}, {configName, config}, {"manifest.json", manifest}})
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
		encoded, err := registryAuth(registry.Logins{}, nil, name)
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

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// cleanupContext outlives the test's own context.
func (r *testRegistry) cleanupContext() context.Context {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	r.Cleanup(cancel)
	return ctx
}
