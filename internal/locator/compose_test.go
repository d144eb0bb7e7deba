package locator

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestComposeFileMakesAPackage(t *testing.T) {
	t.Parallel()
	directory := write(t, filepath.Join(t.TempDir(), "My Shop"), map[string]string{"docker-compose.yaml": "", "compose.yaml": "services: {}", "docker_compose.yml": ""})
	for _, locator := range []string{directory, filepath.Join(directory, "compose.yaml")} {
		opened := open(t, locator)
		if opened.Name != "My Shop" || opened.ComposeFile != "compose.yaml" || opened.Directory != directory || !opened.Local() {
			t.Errorf("package %+v", opened)
		}
	}
	if opened := open(t, filepath.Join(directory, "docker_compose.yml")); opened.ComposeFile != "docker_compose.yml" {
		t.Errorf("Compose file %q", opened.ComposeFile)
	}
	write(t, directory, map[string]string{"kurtosis.yml": "name: github.com/o/r\n", "main.star": ""})
	if opened := open(t, directory); opened.Name != "github.com/o/r" || opened.ComposeFile != "" {
		t.Errorf("kurtosis.yml does not win: %+v", opened)
	}
}

func TestRemoteComposeFile(t *testing.T) {
	h := newHost(t)
	h.commit("github.com/o/r", map[string]string{"deploy/compose.yml": "services: {web: {image: x}}", "deploy/a": "a", "shared/b": "b"})
	opened, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "github.com/o/r/deploy", "")
	if err != nil {
		t.Fatal(err)
	}
	if opened.Name != "github.com/o/r/deploy" || opened.ComposeFile != "compose.yml" || opened.Directory != "" {
		t.Errorf("package %+v", opened)
	}
	file, err := opened.Main(opened.ComposeFile)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := file.Repository().Read("shared/b"); err != nil || string(content) != "b" || file.Path() != "deploy/compose.yml" {
		t.Errorf("path %s, content %q (%v)", file.Path(), content, err)
	}
	for _, path := range []string{"../x", "/etc/hostname"} {
		if _, err := file.Repository().Read(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	// A package may import a Compose file of a folder that has no kurtosis.yml.
	root := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": "name: github.com/me/mine\n", "main.star": ""}))
	if _, err := root.Resolve(context.Background(), mainFile(t, root), "github.com/o/r/deploy/compose.yml", Module); err != nil {
		t.Error(err)
	}
	if _, err := root.Resolve(context.Background(), mainFile(t, root), "github.com/o/r/shared/b", Module); err == nil {
		t.Error("a file of no package was found")
	}
}

func TestRepositoryTellsMissingFromRefused(t *testing.T) {
	t.Parallel()
	directory := write(t, t.TempDir(), map[string]string{"compose.yml": ""})
	if err := os.Symlink("/etc", filepath.Join(directory, "etc")); err != nil {
		t.Fatal(err)
	}
	opened := open(t, directory)
	file, err := opened.Main("compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := file.Repository().Stat("none"); info != nil || err != nil {
		t.Errorf("missing file: %v, %v", info, err)
	}
	if _, err := file.Repository().Stat("etc/hostname"); err == nil {
		t.Error("a link leads out")
	}
}
