package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
)

// buildImage makes the image of all services: the probe and nothing else. Nothing is pulled.
func buildImage(ctx context.Context, a *api, prefix, probe string) (name string, err error) {
	binary, err := os.ReadFile(probe)
	if err != nil {
		return "", fmt.Errorf("read the probe: %w", err)
	}
	sum := sha256.Sum256(binary)
	name = prefix + "probe:" + hex.EncodeToString(sum[:6])
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	dockerfile := "FROM scratch\nCOPY probe /probe\nLABEL " + labelBench + "=image\nENTRYPOINT [\"/probe\"]\n"
	for _, file := range []struct {
		name    string
		mode    int64
		content []byte
	}{{"Dockerfile", 0o644, []byte(dockerfile)}, {"probe", 0o755, binary}} {
		if err := archive.WriteHeader(&tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.content))}); err != nil {
			return "", err
		}
		if _, err := archive.Write(file.content); err != nil {
			return "", err
		}
	}
	if err := archive.Close(); err != nil {
		return "", err
	}
	if err := a.call(ctx, http.MethodPost, "/build?t="+name+"&rm=1&forcerm=1", &buffer, nil); err != nil {
		return "", fmt.Errorf("build the image of the services: %w", err)
	}
	// A build that failed ends with status 200 all the same.
	if err := a.call(ctx, http.MethodGet, "/images/"+name+"/json", nil, nil); err != nil {
		return "", fmt.Errorf("build the image of the services: %w", err)
	}
	return name, nil
}
