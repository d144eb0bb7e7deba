package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/tools/cluster"
)

var libraryPath = regexp.MustCompile(`(/\S+) \(0x`)

// The image of the services. It carries no label of Sundog's: it is the user's own.
const (
	baseRepository = "sundog-chaos/base"
	baseTag        = "1"
)

// importBase makes the image of the services.
func importBase(ctx context.Context, engine *api, witness string) error {
	layer, err := baseLayer(ctx, witness)
	if err != nil {
		return err
	}
	query := url.Values{"fromSrc": {"-"}, "repo": {baseRepository}, "tag": {baseTag}, "changes": {`ENTRYPOINT ["/witness"]`}}
	_, err = engine.call(ctx, http.MethodPost, "/images/create?"+query.Encode(), bytes.NewReader(layer))
	return err
}

// writeBase writes the image of the services as an archive.
func writeBase(ctx context.Context, path, witness string) error {
	layer, err := baseLayer(ctx, witness)
	if err != nil {
		return err
	}
	return cluster.WriteImage(path, baseRepository+":"+baseTag, "/witness", layer)
}

// baseLayer makes the image's content out of the witness and of this machine's shell, as no registry is to be asked.
func baseLayer(ctx context.Context, witness string) ([]byte, error) {
	files := map[string]string{"/witness": witness, "/bin/sh": "/bin/sh", "/bin/sleep": "/bin/sleep", "/bin/cat": "/bin/cat"}
	for _, program := range []string{"/bin/sh", "/bin/sleep", "/bin/cat"} {
		listed, err := exec.CommandContext(ctx, "ldd", program).Output() //nolint:gosec // The programs are named above.
		if err != nil {
			return nil, fmt.Errorf("ldd %s: %w", program, err)
		}
		for _, match := range libraryPath.FindAllStringSubmatch(string(listed), -1) {
			files[match[1]] = match[1]
		}
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	for _, target := range slices.Sorted(maps.Keys(files)) {
		source := files[target]
		content, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: target[1:], Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return layer.Bytes(), nil
}
