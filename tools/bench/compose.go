package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// compose is Docker Compose, the program of its own.
type compose struct {
	program
	binary, socket string
	name, image    string
}

const composeFile = "compose.yaml"

func (c *compose) prepare(_ context.Context, folder string) error {
	c.folder, c.environment = folder, isolated(folder, place{socket: c.socket})
	return os.MkdirAll(folder, 0o700)
}

// document is the workload as a Compose file.
func (c *compose) document(w workload) string {
	var text strings.Builder
	fmt.Fprintf(&text, "name: %s\n", c.name)
	text.WriteString("services:\n")
	for i := range w.services {
		name := serviceName(i)
		fmt.Fprintf(&text, "  %s:\n    image: %s\n    hostname: %s\n    init: true\n    environment:\n      VERSION: %q\n", name, c.image, name, w.value(i))
	}
	return text.String()
}

func (c *compose) call(ctx context.Context, arguments ...string) error {
	return c.run(ctx, c.binary, append([]string{"--progress", "quiet", "--file", composeFile}, arguments...)...)
}

func (c *compose) apply(ctx context.Context, w workload) error {
	if err := os.WriteFile(filepath.Join(c.folder, composeFile), []byte(c.document(w)), 0o600); err != nil {
		return err
	}
	return c.call(ctx, "up", "--detach", "--remove-orphans", "--pull", "never")
}

func (c *compose) destroy(ctx context.Context) error {
	return c.call(ctx, "down", "--volumes", "--remove-orphans")
}
