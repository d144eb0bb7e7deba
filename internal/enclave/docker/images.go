package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Values of enclave.Image.Origin.
const (
	originLocal  = "local"
	originPulled = "pulled"
	originBuilt  = "built"
)

// Values of enclave.ImageError.Action.
const (
	actionPull  = "pull"
	actionBuild = "build"
	actionFind  = "find"
)

// EnsureImage implements enclave.Images.
func (b *Backend) EnsureImage(ctx context.Context, image plan.Image, policy enclave.ImagePolicy) (*enclave.Image, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	name, err := reference.ParseNormalizedNamed(image.Name)
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: actionFind, Err: fmt.Errorf("this is no name of an image: %w", err)}
	}
	name = reference.TagNameOnly(name)
	if image.Build != nil {
		return b.buildImage(ctx, conn, image, name)
	}
	local, err := conn.localImage(ctx, image.Name)
	if err != nil {
		return nil, err
	}
	switch policy {
	case enclave.ImageAlways:
		pulled, err := b.pullImage(ctx, conn, image, name)
		if err == nil || local == nil || isUnreachable(err) || ctx.Err() != nil {
			return pulled, err
		}
		local.Warnings = append(local.Warnings, fmt.Sprintf("image %q could not be pulled, so the one that the engine has is used: %v", image.Name, err))
		return local, nil
	case enclave.ImageNever:
		if local == nil {
			return nil, &enclave.ImageError{Image: image.Name, Action: actionFind, Err: errors.New("the engine does not have it, and the image policy \"never\" forbids to pull it")}
		}
		return local, nil
	case enclave.ImageMissing, "":
		if local != nil {
			return local, nil
		}
		return b.pullImage(ctx, conn, image, name)
	default:
		return nil, fmt.Errorf("image policy %q is none of missing, always and never", policy)
	}
}

func isUnreachable(err error) bool {
	var unreachable *enclave.UnreachableError
	return errors.As(err, &unreachable)
}

// localImage gives the image as the engine has it, or nil.
func (c *connection) localImage(ctx context.Context, name string) (*enclave.Image, error) {
	// The engine's platform is not known yet to a new process; asking for it takes as long as asking for the image.
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = c.platform(ctx) // Its failure shows below.
	}()
	inspected, err := c.ImageInspect(ctx, name)
	<-asked
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil && strings.Contains(err.Error(), "invalid reference format") {
		return nil, &enclave.ImageError{Image: name, Action: actionFind, Err: fmt.Errorf("this is no name of an image: %w", c.translate(err))}
	}
	if err != nil {
		return nil, fmt.Errorf("look for image %q: %w", name, c.translate(err))
	}
	found := &enclave.Image{Name: name, ID: inspected.ID, Origin: originLocal, Digest: repoDigest(name, inspected.RepoDigests)}
	engine, err := c.platform(ctx)
	if err != nil {
		return nil, err
	}
	if inspected.Architecture != "" && inspected.Architecture != engine.Architecture {
		found.Warnings = append(found.Warnings, fmt.Sprintf("image %q is made for %s, but the engine's machine is %s: it is emulated, or does not run at all", name, inspected.Architecture, engine.Architecture))
	}
	return found, nil
}

// repoDigest is the one of an image's digests under which the registry of that name has it, or empty: what is built or
// loaded has none.
func repoDigest(name string, digests []string) string {
	wanted, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	for _, text := range digests {
		if found, err := reference.ParseNormalizedNamed(text); err == nil && found.Name() == wanted.Name() {
			return text
		}
	}
	return ""
}

// ResolvedImage implements enclave.Images.
func (b *Backend) ResolvedImage(ctx context.Context, image enclave.Image) (*enclave.Image, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	named, err := conn.localImage(ctx, image.Name)
	if err != nil || named != nil && named.ID == image.ID {
		return named, err
	}
	found, err := conn.localImage(ctx, image.ID)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("image %s, which %q was resolved to before: %w", image.ID, image.Name, enclave.ErrNotFound)
	}
	found.Name, found.Digest, found.Moved = image.Name, image.Digest, true
	return found, nil
}

// RegistryDigest implements enclave.Images. The engine asks the registry, as it would for a pull.
func (b *Backend) RegistryDigest(ctx context.Context, image plan.Image) (string, error) {
	conn, err := b.connect()
	if err != nil {
		return "", err
	}
	name, err := reference.ParseNormalizedNamed(image.Name)
	if err != nil || image.Build != nil {
		return "", fmt.Errorf("image %q stands in no registry: %w", image.Name, enclave.ErrNotFound)
	}
	credentials, err := registryAuth(b.logins, image.Registry, name)
	if err != nil {
		return "", fmt.Errorf("ask the registry for image %q: %w", image.Name, err)
	}
	found, err := conn.DistributionInspect(ctx, reference.TagNameOnly(name).String(), client.DistributionInspectOptions{EncodedRegistryAuth: credentials})
	if err != nil {
		translated := conn.translate(err)
		if isUnreachable(translated) || ctx.Err() != nil {
			return "", translated
		}
		return "", fmt.Errorf("ask the registry for image %q: %w: %w", image.Name, enclave.ErrNotFound, translated)
	}
	return reference.FamiliarName(name) + "@" + found.Descriptor.Digest.String(), nil
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
