package enclavetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// SaveImages writes the images Service and Unprivileged, under these names, as an archive as `docker save` makes it, for
// clusters into whose nodes images are loaded.
func SaveImages(tb testing.TB, service, unprivileged string) (file string) {
	tb.Helper()
	binary, err := program()
	if err != nil {
		tb.Fatalf("compile the test service: %v", err)
	}
	layer := packFiles(tb, map[string][]byte{"seed/from-image": []byte("of the image"), ServiceProgram[1:]: binary, "etc/passwd": []byte(passwd)})
	sum := sha256.Sum256(layer)
	config := func(user string) []byte {
		return mustJSON(tb, map[string]any{
			"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{ServiceProgram}, "User": user},
			"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
		})
	}
	manifest := mustJSON(tb, []map[string]any{
		{"Config": "service.json", "RepoTags": []string{service}, "Layers": []string{"layer.tar"}},
		{"Config": "unprivileged.json", "RepoTags": []string{unprivileged}, "Layers": []string{"layer.tar"}},
	})
	file = filepath.Join(tb.TempDir(), "image.tar")
	content := packFiles(tb, map[string][]byte{"layer.tar": layer, "service.json": config(""), "unprivileged.json": config("app"), "manifest.json": manifest})
	if err := os.WriteFile(file, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func packFiles(tb testing.TB, files map[string][]byte) []byte {
	tb.Helper()
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content, mode := files[name], int64(0o644)
		if name == ServiceProgram[1:] {
			mode = 0o755
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
			tb.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			tb.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		tb.Fatal(err)
	}
	return buffer.Bytes()
}

func mustJSON(tb testing.TB, value any) []byte {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
