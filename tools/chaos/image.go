package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
)

var libraryPath = regexp.MustCompile(`(/\S+) \(0x`)

// importBase makes the image of the services, sundog-chaos/base:1, out of the witness and of this machine's shell, as no
// registry is to be asked. It carries no label of Sundog's: it is the user's own.
func importBase(ctx context.Context, engine *api, witness string) error {
	files := map[string]string{"/witness": witness, "/bin/sh": "/bin/sh", "/bin/sleep": "/bin/sleep", "/bin/cat": "/bin/cat"}
	for _, program := range []string{"/bin/sh", "/bin/sleep", "/bin/cat"} {
		listed, err := exec.CommandContext(ctx, "ldd", program).Output() //nolint:gosec // The programs are named above.
		if err != nil {
			return fmt.Errorf("ldd %s: %w", program, err)
		}
		for _, match := range libraryPath.FindAllStringSubmatch(string(listed), -1) {
			files[match[1]] = match[1]
		}
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	for target, source := range files {
		content, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: target[1:], Mode: 0o755, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	query := url.Values{"fromSrc": {"-"}, "repo": {"sundog-chaos/base"}, "tag": {"1"}, "changes": {`ENTRYPOINT ["/witness"]`}}
	_, err := engine.call(ctx, http.MethodPost, "/images/create?"+query.Encode(), &layer)
	return err
}
