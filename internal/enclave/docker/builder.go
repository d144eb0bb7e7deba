package docker

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// builderVariable is the Docker CLI's switch between its builders.
const builderVariable = "DOCKER_BUILDKIT"

// askBuilder tells which builder to use. Every engine from API 1.39 on has BuildKit, unless it runs Windows; one that
// names its builder is obeyed, and so is the variable by which users of the Docker CLI choose.
func (c *connection) askBuilder(ctx context.Context) (build.BuilderVersion, error) {
	if text := os.Getenv(builderVariable); text != "" {
		wanted, err := strconv.ParseBool(text)
		switch {
		case err != nil:
			return "", fmt.Errorf("%s=%q is neither true nor false", builderVariable, text)
		case wanted:
			return build.BuilderBuildKit, nil
		default:
			return build.BuilderV1, nil
		}
	}
	ping, err := c.Ping(ctx, client.PingOptions{})
	switch {
	case err != nil:
		return "", fmt.Errorf("ask the engine for its builder: %w", c.translate(err))
	case ping.BuilderVersion != "":
		return ping.BuilderVersion, nil
	case ping.OSType == "windows":
		return build.BuilderV1, nil
	default:
		return build.BuilderBuildKit, nil
	}
}

var (
	// mountOption and hereDocument are what only BuildKit understands.
	mountOption  = regexp.MustCompile(`(?im)^\s*RUN\s+(--\w+(=\S+)?\s+)*--(mount|network|security)=`)
	hereDocument = regexp.MustCompile(`(?im)^\s*(RUN|COPY|ADD)\s.*<<-?\s*["']?\w`)
	copyLink     = regexp.MustCompile(`(?im)^\s*(COPY|ADD)\s+(--\w+(=\S+)?\s+)*--(link|chmod|parents|exclude|checksum)\b`)
	syntaxLine   = regexp.MustCompile(`(?i)^#\s*syntax\s*=\s*(\S+)`)
)

// explainBuild adds to a failure what its reader could not know: that the build file needs another builder, or a
// frontend from a registry.
func explainBuild(err error, spec *plan.Build, buildKit bool) error {
	if err == nil {
		return nil
	}
	text := readBuildFile(spec)
	frontend := ""
	for line := range strings.Lines(text) {
		// The line counts only among the comments at the top.
		if match := syntaxLine.FindStringSubmatch(line); match != nil {
			frontend = match[1]
		}
		if !strings.HasPrefix(line, "#") {
			break
		}
	}
	switch {
	case !buildKit && (mountOption.MatchString(text) || hereDocument.MatchString(text) || copyLink.MatchString(text)):
		return fmt.Errorf("%s needs BuildKit (for RUN --mount, here-documents or the like), which this engine does not have or which %s or the engine's configuration switches off: %w", spec.File(), builderVariable, err)
	case buildKit && frontend != "" && strings.Contains(err.Error(), "failed to resolve source metadata for "+normalFrontend(frontend)),
		buildKit && frontend != "" && strings.Contains(err.Error(), "frontend gateway.v0"):
		return fmt.Errorf("%s asks for the frontend %s by its first line, which BuildKit has to pull: make its registry reachable for the engine, load the image, or take out the line, as most build files do without it: %w", spec.File(), frontend, err)
	case buildKit && frontend == "" && hereDocument.MatchString(text) && strings.Contains(err.Error(), "parse error"):
		return fmt.Errorf("%s uses here-documents, which the engine's own frontend is too old for: begin the file with the line \"# syntax=docker/dockerfile:1\", or take a newer engine: %w", spec.File(), err)
	default:
		return err
	}
}

// normalFrontend is an image's name as BuildKit spells it.
func normalFrontend(name string) string {
	if first, _, found := strings.Cut(name, "/"); found && !strings.ContainsAny(first, ".:") {
		return "docker.io/" + name
	}
	return name
}

// maxBuildFile is more than any build file is long.
const maxBuildFile = 1 << 20

// readBuildFile gives the build file's text, or nothing where it cannot be read.
func readBuildFile(spec *plan.Build) string {
	for _, file := range spec.Context.Files {
		if file.Path != spec.File() || file.Open == nil {
			continue
		}
		content, err := file.Open()
		if err != nil {
			return ""
		}
		defer content.Close() //nolint:errcheck // It was only read.
		text, err := io.ReadAll(io.LimitReader(content, maxBuildFile))
		if err != nil {
			return ""
		}
		return string(text)
	}
	return ""
}
