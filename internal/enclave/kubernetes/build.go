package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// loadedPrefix begins the names of images that are loaded into nodes. No registry has them.
const loadedPrefix = "localhost/sundog"

// errNoWay tells that a built image would get to no node.
var errNoWay = errors.New("it is to be built, and nothing says how it gets to the cluster's nodes: give a registry that you may push to and that the nodes pull from, " +
	"by kubernetes = { image_registry = \"registry.example.com/team\" } in the provider block, --image-registry or SUNDOG_KUBERNETES_IMAGE_REGISTRY; or a command " +
	"that loads an image archive into the nodes, by image_load_command or SUNDOG_KUBERNETES_IMAGE_LOAD_COMMAND (for kind: kind load image-archive)")

// CheckImage implements enclave.ImageChecker.
func (b *Backend) CheckImage(image plan.Image) error {
	if image.Build == nil || b.options.Builder != nil && (b.options.ImageRegistry != "" || len(b.options.ImageLoadCommand) > 0) {
		return nil
	}
	return &enclave.ImageError{Image: image.Name, Action: "build", Err: errNoWay}
}

// builtImage brings an image that is to be built to where nodes find it. Its name there holds the digest of all that it is
// built of, so it is built only where that has changed.
func (b *Backend) builtImage(ctx context.Context, image plan.Image, name reference.Named) (*enclave.Image, error) {
	if err := b.CheckImage(image); err != nil {
		return nil, err
	}
	digest, err := b.options.Builder.BuildDigest(image.Build)
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: "build", Err: err}
	}
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	architecture, _, err := b.architecture(ctx, conn, enclave.ServiceRequest{})
	if err != nil {
		return nil, err
	}
	tag := ":" + digest + "-" + architecture
	if b.options.ImageRegistry != "" {
		return b.pushedImage(ctx, image, architecture, strings.TrimSuffix(b.options.ImageRegistry, "/")+"/"+pathOf(name)+tag)
	}
	return b.loadedImage(ctx, image, architecture, loadedPrefix+"/"+pathOf(name)+tag)
}

// pathOf is an image's name without its registry and its tag.
func pathOf(name reference.Named) string {
	return strings.TrimPrefix(reference.FamiliarName(name), reference.Domain(name)+"/")
}

// pushedImage gives an image as the registry has it, and makes the registry have it if need be.
func (b *Backend) pushedImage(ctx context.Context, image plan.Image, architecture, target string) (*enclave.Image, error) {
	name, err := reference.ParseNormalizedNamed(target)
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: "build", Err: fmt.Errorf("image_registry %q cannot begin the name of an image: %w", b.options.ImageRegistry, err)}
	}
	digest, err := b.registryDigest(ctx, nil, name)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, registry.ErrNotThere) {
			// The engine may have a way there that this process has not.
			b.logger.Info("whether a built image is in the registry already is not known", "image", target, "error", err)
		}
		if digest, err = b.options.Builder.PushImage(ctx, image, architecture, target); err != nil {
			return nil, err
		}
	}
	return &enclave.Image{Name: image.Name, ID: name.Name() + "@" + digest, Origin: "built"}, nil
}

// loadedImage loads an image into the nodes, unless they tell that they have it.
func (b *Backend) loadedImage(ctx context.Context, image plan.Image, architecture, target string) (*enclave.Image, error) {
	ready := &enclave.Image{Name: image.Name, ID: target, Origin: "built", Policy: enclave.ImageNever}
	b.loading.Lock()
	defer b.loading.Unlock()
	if b.loaded[target] || b.nodesHave(ctx, target) {
		return ready, nil
	}
	folder, err := os.MkdirTemp("", "sundog-image-")
	if err != nil {
		return nil, fmt.Errorf("build image %q: %w", image.Name, err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // It is a temporary folder.
	file := filepath.Join(folder, "image.tar")
	if err := b.saveImage(ctx, image, architecture, target, file); err != nil {
		return nil, err
	}
	words := b.options.ImageLoadCommand
	enclave.Progress(ctx)("loading into the nodes: " + strings.Join(words, " "))
	command := exec.CommandContext(ctx, words[0], append(words[1:len(words):len(words)], file)...) //nolint:gosec // The user names the program.
	if text, err := command.CombinedOutput(); err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: "build", Err: fmt.Errorf("load it into the nodes by image_load_command (%s): %w: %s", strings.Join(words, " "), err, lastOutput(string(text)))}
	}
	if b.loaded == nil {
		b.loaded = map[string]bool{}
	}
	b.loaded[target] = true
	return ready, nil
}

func (b *Backend) saveImage(ctx context.Context, image plan.Image, architecture, target, file string) error {
	archive, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("build image %q: %w", image.Name, err)
	}
	err = b.options.Builder.SaveImage(ctx, image, architecture, target, archive)
	if closed := archive.Close(); err == nil && closed != nil {
		return fmt.Errorf("build image %q: %w", image.Name, closed)
	}
	return err
}

// lastOutput is the end of what a program has said.
func lastOutput(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-lastLines):], "\n")
}
