package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// EnsureImage implements enclave.Images. Nodes pull images when a service starts, and the policy goes on to the pod; an image
// that is nowhere is an error of the start. The identifier is the whole name: with the digest that the registry told where
// the image is pulled at every apply or was built, and as the package says it else.
func (b *Backend) EnsureImage(ctx context.Context, image plan.Image, policy enclave.ImagePolicy) (*enclave.Image, error) {
	name, err := reference.ParseNormalizedNamed(image.Name)
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: "find", Err: err}
	}
	if domain := reference.Domain(name); domain != strings.ToLower(domain) && !strings.ContainsAny(domain, ".:") {
		// The library takes it for a registry's host; whoever writes it means something else.
		return nil, &enclave.ImageError{Image: image.Name, Action: "find", Err: errors.New("names of images are in lower case")}
	}
	if image.Build != nil {
		return b.builtImage(ctx, image, name)
	}
	ready := &enclave.Image{Name: image.Name, ID: reference.TagNameOnly(name).String(), Origin: "local", Policy: policy}
	if _, fixed := name.(reference.Digested); policy != enclave.ImageAlways || fixed {
		return ready, nil
	}
	digest, err := b.registryDigest(ctx, image.Registry, name)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		// The nodes may have a way to the registry that this machine has not.
		b.logger.Info("what an image's name means is left to the nodes", "image", image.Name, "error", err)
		ready.Unresolved = true
		return ready, nil
	}
	return &enclave.Image{
		Name: image.Name, ID: name.Name() + "@" + digest, Digest: reference.FamiliarName(name) + "@" + digest,
		Origin: "pulled", Policy: enclave.ImageMissing,
	}, nil
}

// podImage is what a pod names: the image as it was resolved.
func podImage(image enclave.Image) string {
	name, err := reference.ParseNormalizedNamed(image.ID)
	if err != nil {
		return image.ID
	}
	return reference.FamiliarString(name)
}

// ResolvedImage implements enclave.Images. The identifier is a name, which stands for itself; a bare digest is none that this
// backend has given.
func (b *Backend) ResolvedImage(_ context.Context, image enclave.Image) (*enclave.Image, error) {
	if strings.HasPrefix(image.ID, "sha256:") {
		return nil, fmt.Errorf("image %s, which %q was resolved to before: %w", image.ID, image.Name, enclave.ErrNotFound)
	}
	return &image, nil
}

// RegistryDigest implements enclave.Images. It is asked from this machine, which may know less ways than the nodes.
func (b *Backend) RegistryDigest(ctx context.Context, image plan.Image) (string, error) {
	name, err := reference.ParseNormalizedNamed(image.Name)
	if err != nil || image.Build != nil {
		return "", fmt.Errorf("image %q stands in no registry: %w", image.Name, enclave.ErrNotFound)
	}
	digest, err := b.registryDigest(ctx, image.Registry, name)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("ask the registry for image %q: %w: %w", image.Name, enclave.ErrNotFound, err)
	}
	return reference.FamiliarName(name) + "@" + digest, nil
}

// registryPatience bounds how long a registry is asked.
const registryPatience = 10 * time.Second

// registryDigest asks a registry with the user's credentials, or the package's.
func (b *Backend) registryDigest(ctx context.Context, given *plan.RegistryCredentials, name reference.Named) (string, error) {
	login, err := b.options.Logins.For(given, name)
	if err != nil {
		return "", err
	}
	asking, cancel := context.WithTimeout(ctx, registryPatience)
	defer cancel()
	return registry.Digest(asking, name, login)
}
