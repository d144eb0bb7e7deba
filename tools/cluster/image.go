package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"runtime"
)

// WriteImage writes an image of one layer, a tar archive, as `docker save` does. It runs one program.
func WriteImage(path, name, program string, layer []byte) error {
	digest := sha256.Sum256(layer)
	settings, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{program}, "Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(digest[:])}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	content, err := Archive([]File{{"layer.tar", 0o644, layer}, {"config.json", 0o644, settings}, {"manifest.json", 0o644, manifest}})
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// File is one of an archive.
type File struct {
	Name    string
	Mode    int64
	Content []byte
}

// Archive puts files into a tar archive.
func Archive(files []File) ([]byte, error) {
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	for _, file := range files {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file.Name, Mode: file.Mode, Size: int64(len(file.Content))}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(file.Content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}
