package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// emptyImage is the image of containers that are never started. It is made on the spot, so no registry is needed.
const emptyImage = "sundog/empty:1"

// createFromEmpty creates a container of the empty image, making the image where it is missing. Somebody else may
// remove the image in between, when the last enclave but this one goes: then it is made again.
func (c *connection) createFromEmpty(ctx context.Context, name string, labels map[string]string) (id string, err error) {
	for range 5 {
		created, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{
			Name: name,
			// The engine insists on a command, although none is ever run.
			Config:     &container.Config{Image: emptyImage, Cmd: []string{"-"}, Labels: labels, NetworkDisabled: true},
			HostConfig: &container.HostConfig{NetworkMode: "none", LogConfig: container.LogConfig{Type: "none"}},
		})
		if err == nil {
			return created.ID, nil
		}
		if !errdefs.IsNotFound(err) {
			return "", err
		}
		if err := c.loadEmptyImage(ctx); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("image %s is removed by somebody as fast as it is made", emptyImage)
}

// loadEmptyImage loads rather than imports, as equal archives give one image ID however often and in parallel they are
// loaded, while an import would stamp the time and leave nameless images behind.
func (c *connection) loadEmptyImage(ctx context.Context) error {
	kind, err := c.platform(ctx)
	if err != nil {
		return err
	}
	archive, err := emptyImageArchive(kind)
	if err != nil {
		return fmt.Errorf("make image %s: %w", emptyImage, err)
	}
	result, err := c.ImageLoad(ctx, bytes.NewReader(archive))
	if err != nil {
		return fmt.Errorf("load image %s: %w", emptyImage, c.translate(err))
	}
	defer result.Close() //nolint:errcheck // The stream has been read to its end.
	var output bytes.Buffer
	if _, err := io.Copy(&output, result); err != nil {
		return fmt.Errorf("load image %s: %w", emptyImage, c.translate(err))
	}
	if _, err := c.ImageInspect(ctx, emptyImage); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("load image %s: %w", emptyImage, c.translate(err))
	}
	return nil
}

// emptyImageArchive is what `docker save` would write for an image whose one layer is empty.
func emptyImageArchive(kind platform) ([]byte, error) {
	layer := make([]byte, 1024) // two zero blocks: an empty tar archive
	layerDigest := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": kind.Architecture,
		"os":           kind.OS,
		"config": map[string]any{"Labels": map[string]string{
			enclave.LabelManagedBy: enclave.ManagedBy,
			enclave.LabelRole:      roleImage,
		}},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(layerDigest[:])}},
		"history": []map[string]any{{"created_by": "sundog"}},
	})
	if err != nil {
		return nil, err
	}
	configDigest := sha256.Sum256(config)
	configName := hex.EncodeToString(configDigest[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{emptyImage}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	return packFiles([]storeFile{{"layer.tar", layer}, {configName, config}, {"manifest.json", manifest}})
}

// removeEmptyImageOf removes the empty image while the store of an enclave still stands on it, which does it no harm;
// shared tells that other enclaves use the image, so that it stays.
func (c *connection) removeEmptyImageOf(ctx context.Context, name string) (shared bool, err error) {
	using, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("ancestor", emptyImage)})
	if err != nil {
		return false, fmt.Errorf("list containers of image %s: %w", emptyImage, c.translate(err))
	}
	for _, item := range using.Items {
		if item.Labels[enclave.LabelEnclave] != name {
			return true, nil
		}
	}
	// Somebody who needs it at this very moment makes it again.
	_, err = c.ImageRemove(ctx, emptyImage, client.ImageRemoveOptions{Force: true, PruneChildren: true})
	if err == nil || errdefs.IsNotFound(err) {
		return false, nil
	}
	return false, fmt.Errorf("remove image %s: %w", emptyImage, c.translate(err))
}

// removeEmptyImage removes the empty image unless a container uses it.
func (c *connection) removeEmptyImage(ctx context.Context) error {
	_, err := c.ImageRemove(ctx, emptyImage, client.ImageRemoveOptions{PruneChildren: true})
	if err == nil || errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("remove image %s: %w", emptyImage, c.translate(err))
}

// storeFile is one small file of an archive.
type storeFile struct {
	path    string
	content []byte
}

// packFiles makes a tar archive of small files, in order, with the folders that they need.
func packFiles(files []storeFile) ([]byte, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	made := map[string]bool{}
	for _, file := range files {
		if err := packFolders(archive, file.path, made); err != nil {
			return nil, err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: file.path, Mode: 0o600, Size: int64(len(file.content))}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(file.content); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return buffer.Bytes(), err
}

// packFolders writes an entry for every folder on the way to a file that made does not hold yet.
func packFolders(archive *tar.Writer, file string, made map[string]bool) error {
	for i, letter := range file {
		if letter != '/' || i == 0 || made[file[:i]] {
			continue
		}
		made[file[:i]] = true
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: file[:i] + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	return nil
}
