package registry

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func named(t *testing.T, image string) reference.Named {
	t.Helper()
	parsed, err := reference.ParseNormalizedNamed(image)
	must(t, err)
	return parsed
}

func TestLoginsComeFromFileAndHelper(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	tools, folder := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(tools, "docker-credential-test"), []byte("#!/bin/sh\necho '{\"Username\":\"anna\",\"Secret\":\"from-helper\"}'\n"), 0o700))
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	must(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{"auths": {"https://index.docker.io/v1/": {"auth": "aHViOnBhc3M="}}, "credHelpers": {"registry.example.com": "test"}}`), 0o600))
	logins := Logins{Directory: folder}
	for image, want := range map[string]string{"registry.example.com/app:1": "anna:from-helper", "postgres:15": "hub:pass", "elsewhere.example.com/app": ":"} {
		got, err := logins.For(nil, named(t, image))
		must(t, err)
		if got.Username+":"+got.Password != want || IsEmpty(got) != (want == ":") {
			t.Errorf("%s: got %s:%s, want %s", image, got.Username, got.Password, want)
		}
	}
	got, err := logins.For(&plan.RegistryCredentials{Username: "other", Password: "given"}, named(t, "postgres:15"))
	must(t, err)
	if got.Username != "other" || got.Password != "given" {
		t.Errorf("got %s, want what is given", got.Username)
	}
}

func TestEntriesAreThoseOfOneRegistry(t *testing.T) {
	entries, err := ParseEntries([]byte(`{"auths": {"https://index.docker.io/v1/": {}, "registry.example.com/team": {}, "*.ecr.example.com": {}, "other.example.com:5000": {}}}`))
	must(t, err)
	for image, want := range map[string]string{
		"postgres:15": "https://index.docker.io/v1/", "registry.example.com/team/app": "registry.example.com/team", "1.ecr.example.com/app": "*.ecr.example.com",
		"other.example.com:5000/app": "other.example.com:5000", "other.example.com/app": "", "example.com/registry.example.com": "",
	} {
		if got := strings.Join(slices.Sorted(maps.Keys(entries.For(named(t, image)))), " "); got != want {
			t.Errorf("%s: got %q, want %q", image, got, want)
		}
	}
	// What cannot be read may hold a password.
	for _, parse := range []func([]byte) (Entries, error){ParseEntries, ParseBareEntries} {
		if _, err := parse([]byte(`{"auths": "s3cret"`)); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got error %v", err)
		}
	}
	// A token is no password.
	if made, err := NewEntries("registry.example.com", Login{IdentityToken: "t"}); err != nil || len(made) != 0 {
		t.Errorf("got %d entries, %v", len(made), err)
	}
	made, err := NewEntries("registry.example.com", Login{Username: "anna", Password: "first"})
	must(t, err)
	other, err := NewEntries("registry.example.com", Login{Username: "anna", Password: "second"})
	must(t, err)
	made.Add(other)
	document, err := made.Document()
	must(t, err)
	again, err := ParseEntries(document)
	must(t, err)
	if text := string(again["registry.example.com"]); !strings.Contains(text, "first") || strings.Contains(text, "second") {
		t.Errorf("the document holds %s", text)
	}
}

// TestDockerRegistry... needs the program of tools/registry, and no engine.
func TestDockerRegistryTellsDigests(t *testing.T) {
	address := enclavetest.StartRegistry(t, "")
	image := named(t, address+"/app:1")
	target, err := name.NewTag(image.String())
	must(t, err)
	must(t, remote.Write(target, empty.Image, remote.WithAuth(&authn.Basic{Username: enclavetest.RegistryUser, Password: enclavetest.RegistryPassword})))
	login := Login{Username: enclavetest.RegistryUser, Password: enclavetest.RegistryPassword}
	got, err := Digest(t.Context(), image, login)
	must(t, err)
	want, err := empty.Image.Digest()
	must(t, err)
	if got != want.String() {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err = Digest(t.Context(), named(t, address+"/app:2"), login); !errors.Is(err, ErrNotThere) {
		t.Errorf("got error %v, want ErrNotThere", err)
	}
	for _, wrong := range []Login{{}, {Username: enclavetest.RegistryUser, Password: "wrong"}} {
		_, err = Digest(t.Context(), image, wrong)
		if _, refused := errors.AsType[*RefusedError](err); !refused || strings.Contains(err.Error(), "wrong") {
			t.Errorf("got error %v, want a refusal without the password", err)
		}
	}
	if _, err = Digest(t.Context(), named(t, "127.0.0.1:1/app:1"), login); err == nil || errors.Is(err, ErrNotThere) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got error %v, want one that names the registry", err)
	}
}
