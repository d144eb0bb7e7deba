package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// EnsureImage implements enclave.Images. Nodes pull images when a service starts, so nothing is asked here: the policy goes
// on to the pod, and an image that is nowhere is an error of the start. The identifier is the whole name.
func (b *Backend) EnsureImage(_ context.Context, image plan.Image, policy enclave.ImagePolicy) (*enclave.Image, error) {
	name, err := reference.ParseNormalizedNamed(image.Name)
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: "find", Err: err}
	}
	if domain := reference.Domain(name); domain != strings.ToLower(domain) && !strings.ContainsAny(domain, ".:") {
		// The library takes it for a registry's host; whoever writes it means something else.
		return nil, &enclave.ImageError{Image: image.Name, Action: "find", Err: errors.New("names of images are in lower case")}
	}
	if image.Build != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: "build", Err: errors.New(
			"the backend kubernetes does not build images: build it beforehand, push it to a registry that the cluster's nodes pull from, and name it by its name there")}
	}
	return &enclave.Image{Name: image.Name, ID: reference.TagNameOnly(name).String(), Origin: "local", Policy: policy}, nil
}

// podImage is what a pod names: the image as it was resolved.
func podImage(image enclave.Image) string {
	name, err := reference.ParseNormalizedNamed(image.ID)
	if err != nil {
		return image.ID
	}
	return reference.FamiliarString(name)
}

// ResolvedImage implements enclave.Images. The identifier is the name, which stands for itself.
func (b *Backend) ResolvedImage(_ context.Context, image enclave.Image) (*enclave.Image, error) {
	return &image, nil
}

// RegistryDigest implements enclave.Images. Only the nodes ask registries.
func (b *Backend) RegistryDigest(_ context.Context, image plan.Image) (string, error) {
	return "", fmt.Errorf("the registry's digest of image %q: %w", image.Name, enclave.ErrNotFound)
}
