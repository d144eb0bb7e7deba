package acctest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// World is a real engine with an enclave's name of the test's own, and a folder for packages.
type World struct {
	Backend *docker.Backend
	// Name of the enclave that the test may make; whatever is left under it is removed at the end.
	Name   string
	Folder string
	Owner  string
}

// NewWorld skips the test where no acceptance tests are wanted: TF_ACC says so.
func NewWorld(t *testing.T) *World {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("TF_ACC is not set")
	}
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	w := &World{
		Backend: docker.New(docker.Options{}), Name: "acc-" + hex.EncodeToString(random), Folder: t.TempDir(),
		Owner: "acc-" + hex.EncodeToString(random),
	}
	t.Cleanup(func() {
		w.removeEnclaves(t)
		if err := w.Backend.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Image makes the test service's image and gives its name.
func (w *World) Image(t *testing.T) string {
	t.Helper()
	image := enclavetest.BuildImages(t, w.Backend).Service
	// What a failed test has left goes before the image: the engine does not remove one that is in use.
	t.Cleanup(func() { w.removeEnclaves(t) })
	return image
}

func (w *World) removeEnclaves(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, name := range []string{w.Name, w.Name + "-b"} {
		if err := w.Backend.RemoveEnclave(ctx, name); err != nil {
			t.Errorf("clean up the enclave %s: %v", name, err)
		}
	}
}

// Provider is a provider block with the test's own owner; more is put inside it.
func (w *World) Provider(more string) string {
	return fmt.Sprintf("provider \"sundog\" {\n  owner     = %q\n  event_dir = %q\n%s\n}\n", w.Owner, filepath.Join(w.Folder, "events"), more)
}

// Enclave is the HCL of the test's enclave, named "test".
func (w *World) Enclave() string {
	return fmt.Sprintf("resource \"sundog_enclave\" \"test\" {\n  name = %q\n}\n", w.Name)
}

// Package writes a package and gives its folder.
func (w *World) Package(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	folder := filepath.Join(w.Folder, name)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, given := files["kurtosis.yml"]; !given {
		w.write(t, filepath.Join(folder, "kurtosis.yml"), "name: github.com/acme/"+name+"\n")
	}
	for file, text := range files {
		w.write(t, filepath.Join(folder, file), text)
	}
	return folder
}

func (w *World) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// CheckDestroyed tells "gone" from "could not ask".
func (w *World) CheckDestroyed(*terraform.State) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, name := range []string{w.Name, w.Name + "-b"} {
		_, err := w.Backend.Enclave(ctx, name)
		switch {
		case err == nil:
			return fmt.Errorf("the enclave %q is still there", name)
		case !errors.Is(err, enclave.ErrNotFound):
			return fmt.Errorf("cannot tell whether the enclave %q is gone: %w", name, err)
		}
	}
	return nil
}
