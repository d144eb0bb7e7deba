package docker

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const (
	defaultBuildFile = "Dockerfile"
	ignoreFile       = ".dockerignore"
	// lastLines is how much of a failed build's output stands in the error.
	lastLines = 20
	// argsIterations makes guessing a build argument from the image's label slow.
	argsIterations = 100_000
)

// buildImage builds an image by the engine's classic builder, unless one of that name was built of the same input.
func (b *Backend) buildImage(ctx context.Context, conn *connection, image plan.Image, name reference.Named) (*enclave.Image, error) {
	failure := func(err error) error {
		if isUnreachable(err) || ctx.Err() != nil {
			return fmt.Errorf("build image %q: %w", image.Name, err)
		}
		return &enclave.ImageError{Image: image.Name, Action: actionBuild, Err: err}
	}
	tree, err := withoutIgnored(image.Build.Context, buildFileOf(image.Build))
	if err != nil {
		return nil, failure(err)
	}
	digest, err := buildDigest(image.Build, tree)
	if err != nil {
		return nil, failure(err)
	}
	inspected, err := conn.ImageInspect(ctx, image.Name)
	if err != nil && !errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("look for image %q: %w", image.Name, conn.translate(err))
	}
	if err == nil && inspected.Config != nil && inspected.Config.Labels[enclave.LabelDigest] == digest {
		return &enclave.Image{Name: image.Name, ID: inspected.ID, Origin: originBuilt}, nil
	}
	before := inspected.ID
	if err := b.runBuild(ctx, conn, image, name, tree, digest); err != nil {
		return nil, failure(err)
	}
	built, err := conn.localImage(ctx, image.Name)
	if err != nil {
		return nil, err
	}
	if built == nil {
		return nil, failure(errors.New("it was removed as soon as it had been built"))
	}
	built.Origin = originBuilt
	if before != "" && before != built.ID {
		// What the name meant before has no name any more; it stays only as long as a container uses it.
		if err := conn.removeImage(ctx, before); err != nil {
			b.logger.Warn("an image that was built before could not be removed", "image", before, "error", err)
		}
	}
	return built, nil
}

func (b *Backend) runBuild(ctx context.Context, conn *connection, image plan.Image, name reference.Named, tree *plan.FileTree, digest string) error {
	arguments := map[string]*string{}
	for key, value := range image.Build.Args {
		arguments[key] = &value
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(tree.WriteTar(writer)) }()
	defer reader.Close() //nolint:errcheck // It ends the writer.
	result, err := conn.ImageBuild(ctx, reader, client.ImageBuildOptions{
		Tags: []string{reference.FamiliarString(name)}, Dockerfile: buildFileOf(image.Build), Target: image.Build.TargetStage, BuildArgs: arguments,
		Labels:  map[string]string{enclave.LabelManagedBy: enclave.ManagedBy, enclave.LabelRole: roleImage, enclave.LabelDigest: digest},
		Version: build.BuilderV1, Remove: true, ForceRemove: true, AuthConfigs: b.allCredentials(),
	})
	if err != nil {
		return conn.translate(err)
	}
	defer result.Body.Close() //nolint:errcheck // It is read to its end.
	var output strings.Builder
	err = readBuild(result.Body, &output)
	detached, cancel := detach(ctx)
	defer cancel()
	for _, id := range leftovers(output.String(), err == nil) {
		// What is still needed is refused, and what is not there any more is no loss.
		_, _ = conn.ImageRemove(detached, id, client.ImageRemoveOptions{PruneChildren: true})
	}
	return err
}

// stepResult is what the classic builder prints when a step has made an image.
var stepResult = regexp.MustCompile(`^ ---> ([0-9a-f]{12})$`)

// leftovers finds, in a build's output, the images that the builder leaves behind without a name: the last one of each
// stage but the last, or of every stage if the build has failed. Images that a step found rather than made, as a base
// or in the cache, are somebody else's.
func leftovers(output string, succeeded bool) []string {
	var made []string
	last, found := "", true
	finish := func() {
		if last != "" {
			made = append(made, last)
		}
		last = ""
	}
	for line := range strings.Lines(output) {
		line = strings.TrimSuffix(line, "\n")
		if step, isStep := strings.CutPrefix(line, "Step "); isStep {
			_, instruction, _ := strings.Cut(step, " : ")
			if found = strings.HasPrefix(strings.ToUpper(instruction), "FROM "); found {
				finish()
			}
		}
		if line == " ---> Using cache" {
			found = true
		}
		if match := stepResult.FindStringSubmatch(line); match != nil {
			if last = match[1]; found {
				last = ""
			}
		}
	}
	if !succeeded {
		finish()
	}
	return made
}

// readBuild follows a build to its end; an error comes with the last lines of output.
func readBuild(stream io.Reader, output *strings.Builder) error {
	decoder := json.NewDecoder(stream)
	for {
		var message jsonstream.Message
		err := decoder.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow the build: %w", err)
		}
		output.WriteString(message.Stream)
		if message.Error != nil {
			lines := strings.Split(strings.TrimSpace(output.String()), "\n")
			return fmt.Errorf("%s; the build's last output was:\n%s", message.Error.Message, strings.Join(lines[max(0, len(lines)-lastLines):], "\n"))
		}
	}
}

// allCredentials gives the builder the credentials for all registries, as it tells only while building which it needs.
func (b *Backend) allCredentials() map[string]registry.AuthConfig {
	settings, err := dockerSettings()
	if err != nil {
		b.logger.Warn("images are built without credentials", "error", err)
		return nil
	}
	found, err := settings.GetAllCredentials()
	if err != nil {
		b.logger.Warn("images are built without some credentials", "error", err)
	}
	all := map[string]registry.AuthConfig{}
	for host, credentials := range found {
		all[host] = registry.AuthConfig(credentials)
	}
	return all
}

func buildFileOf(spec *plan.Build) string {
	if spec.BuildFile == "" {
		return defaultBuildFile
	}
	return path.Clean(spec.BuildFile)
}

// buildDigest covers everything that an image is built of.
func buildDigest(spec *plan.Build, tree *plan.FileTree) (string, error) {
	context := tree.Digest()
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%q %q\n", context, buildFileOf(spec), spec.TargetStage)
	if len(spec.Args) > 0 {
		text, err := json.Marshal(spec.Args)
		if err != nil {
			return "", err
		}
		// Arguments may hold secrets and the digest becomes a label, so it must not serve to guess them.
		key, err := pbkdf2.Key(sha256.New, string(text), []byte(context), argsIterations, sha256.Size)
		if err != nil {
			return "", err
		}
		hash.Write(key)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// withoutIgnored leaves out of a build context what its .dockerignore names. The build file is needed in any case.
func withoutIgnored(tree *plan.FileTree, buildFile string) (*plan.FileTree, error) {
	var ignore, own *plan.File
	for i, file := range tree.Files {
		switch file.Path {
		case ignoreFile:
			ignore = &tree.Files[i]
		case buildFile + ignoreFile: // for example Dockerfile.dockerignore, which goes before
			own = &tree.Files[i]
		}
	}
	if own != nil {
		ignore = own
	}
	if ignore == nil || ignore.Open == nil {
		return tree, nil
	}
	content, err := ignore.Open()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ignore.Path, err)
	}
	patterns, err := ignorefile.ReadAll(content)
	if closeErr := content.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ignore.Path, err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ignore.Path, err)
	}
	var kept []plan.File
	for _, file := range tree.Files {
		ignored, err := matcher.MatchesOrParentMatches(file.Path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", ignore.Path, err)
		}
		if !ignored || file.Path == buildFile {
			kept = append(kept, file)
		}
	}
	return plan.NewFileTree(kept)
}

// RemoveImage removes an image that EnsureImage has built, unless a container uses it. Nothing in an enclave needs this:
// images go with the enclaves that used them. It is for callers that build without one.
func (b *Backend) RemoveImage(ctx context.Context, name string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	return conn.removeImage(ctx, name)
}
