package memory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// imageName is a rough form of what engines take for the name of an image.
var imageName = regexp.MustCompile(`^[a-z0-9][a-z0-9._/:@-]*(:[A-Za-z0-9._-]+)?$`)

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// images are what an engine has, and what registries have.
type images struct {
	names     map[string]enclave.Image // what a name means here
	ids       map[string]bool          // the images that are here, with or without a name
	published map[string]string        // IDs by the name under which a registry has them
}

func newImages() images {
	return images{names: map[string]enclave.Image{}, ids: map[string]bool{}, published: map[string]string{}}
}

func (i *images) keep(image enclave.Image) {
	i.names[image.Name] = image
	i.ids[image.ID] = true
}

// AddImage makes an image known, as if it had been pulled before.
func (b *Backend) AddImage(name string) { b.TagImage(name, name) }

// TagImage makes a name mean an image of the given content, as a build or a pull outside of Sundog would.
func (b *Backend) TagImage(name, content string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.images.keep(enclave.Image{Name: name, ID: digestOf(content)})
}

// RemoveImage forgets what a name means, and the image with it.
func (b *Backend) RemoveImage(_ context.Context, name string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	delete(b.images.ids, b.images.names[name].ID)
	delete(b.images.names, name)
	return nil
}

// PublishImage makes a registry have the given content under a name. What it had before it keeps under its digest.
func (b *Backend) PublishImage(name, content string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.images.published[name] = digestOf(content)
	b.images.published[repository(name)+"@"+digestOf(content)] = digestOf(content)
}

// repository is an image's name without tag and digest.
func repository(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		return name[:at]
	}
	return name
}

// registryHas gives what a registry has under a name.
func (b *Backend) registryHas(name string) (id string, found bool) {
	pullable := b.hooks.Pull != nil && b.hooks.Pull(name)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if id, found = b.images.published[name]; !found && pullable {
		return digestOf(name), true
	}
	return id, found
}

// EnsureImage implements enclave.Images. A build always succeeds.
func (b *Backend) EnsureImage(ctx context.Context, image plan.Image, policy enclave.ImagePolicy) (*enclave.Image, error) {
	if err := b.begin(ctx, "EnsureImage", "", image.Name); err != nil {
		return nil, err
	}
	if !imageName.MatchString(image.Name) {
		return nil, &enclave.ImageError{Image: image.Name, Action: "find", Err: errors.New("this is no name of an image")}
	}
	if image.Build != nil {
		return b.build(image)
	}
	published, pullable := b.registryHas(image.Name)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	local, found := b.images.names[image.Name]
	local.Origin = "local"
	switch {
	case found && policy != enclave.ImageAlways:
		return &local, nil
	case policy == enclave.ImageNever:
		return nil, &enclave.ImageError{Image: image.Name, Action: "find", Err: errors.New("it is not there, and the image policy \"never\" forbids to pull it")}
	case pullable:
		pulled := enclave.Image{Name: image.Name, ID: published, Digest: repository(image.Name) + "@" + published}
		b.images.keep(pulled)
		pulled.Origin = "pulled"
		return &pulled, nil
	case found:
		local.Warnings = []string{fmt.Sprintf("image %q could not be pulled, so the one that is there is used", image.Name)}
		return &local, nil
	default:
		return nil, &enclave.ImageError{Image: image.Name, Action: "pull", Err: errors.New("no such image")}
	}
}

func (b *Backend) build(image plan.Image) (*enclave.Image, error) {
	input, err := image.Build.InputDigest()
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: "build", Err: err}
	}
	arguments, err := json.Marshal(image.Build.Args)
	if err != nil {
		return nil, fmt.Errorf("build image %q: %w", image.Name, err)
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	built := enclave.Image{Name: image.Name, ID: digestOf(image.Name + input + string(arguments)), Origin: "built"}
	b.images.keep(built)
	return &built, nil
}

// ResolvedImage implements enclave.Images.
func (b *Backend) ResolvedImage(ctx context.Context, image enclave.Image) (*enclave.Image, error) {
	if err := b.begin(ctx, "ResolvedImage", "", image.Name); err != nil {
		return nil, err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.images.ids[image.ID] {
		return nil, fmt.Errorf("image %s, which %q was resolved to before: %w", image.ID, image.Name, enclave.ErrNotFound)
	}
	return &enclave.Image{Name: image.Name, ID: image.ID, Digest: image.Digest, Moved: b.images.names[image.Name].ID != image.ID, Origin: "local"}, nil
}

// RegistryDigest implements enclave.Images.
func (b *Backend) RegistryDigest(ctx context.Context, image plan.Image) (string, error) {
	if err := b.begin(ctx, "RegistryDigest", "", image.Name); err != nil {
		return "", err
	}
	id, found := b.registryHas(image.Name)
	if !found || image.Build != nil {
		return "", fmt.Errorf("image %q stands in no registry: %w", image.Name, enclave.ErrNotFound)
	}
	return repository(image.Name) + "@" + id, nil
}
