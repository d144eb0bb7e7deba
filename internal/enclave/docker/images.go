package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
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
	inspected, err := c.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil && strings.Contains(err.Error(), "invalid reference format") {
		return nil, &enclave.ImageError{Image: name, Action: actionFind, Err: fmt.Errorf("this is no name of an image: %w", c.translate(err))}
	}
	if err != nil {
		return nil, fmt.Errorf("look for image %q: %w", name, c.translate(err))
	}
	found := &enclave.Image{Name: name, ID: inspected.ID, Origin: originLocal}
	engine, err := c.platform(ctx)
	if err != nil {
		return nil, err
	}
	if inspected.Architecture != "" && inspected.Architecture != engine.Architecture {
		found.Warnings = append(found.Warnings, fmt.Sprintf("image %q is made for %s, but the engine's machine is %s: it is emulated, or does not run at all", name, inspected.Architecture, engine.Architecture))
	}
	return found, nil
}

// pullImage pulls an image with the credentials of the package, else with those of the user's Docker configuration.
func (b *Backend) pullImage(ctx context.Context, conn *connection, image plan.Image, name reference.Named) (*enclave.Image, error) {
	credentials, err := registryAuth(image.Registry, name)
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: actionPull, Err: err}
	}
	stream, err := conn.ImagePull(ctx, image.Name, client.ImagePullOptions{RegistryAuth: credentials})
	if err == nil {
		err = stream.Wait(ctx)
	}
	if err != nil {
		translated := conn.translate(err)
		if isUnreachable(translated) || ctx.Err() != nil {
			return nil, fmt.Errorf("pull image %q: %w", image.Name, translated)
		}
		// "Not found" is the registry's answer here; the image as a thing of the enclave is not what is meant.
		return nil, &enclave.ImageError{Image: image.Name, Action: actionPull, Err: errors.New(translated.Error())}
	}
	pulled, err := conn.localImage(ctx, image.Name)
	if err != nil {
		return nil, err
	}
	if pulled == nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: actionPull, Err: errors.New("it was removed as soon as it had been pulled")}
	}
	pulled.Origin = originPulled
	return pulled, nil
}

// hubIndex is the key under which credentials of Docker Hub are kept.
const hubIndex = "https://index.docker.io/v1/"

// registryAuth encodes credentials for one pull; empty when there are none.
func registryAuth(given *plan.RegistryCredentials, name reference.Named) (string, error) {
	if given != nil && (given.Username != "" || given.Password != "") {
		return authconfig.Encode(registry.AuthConfig{Username: given.Username, Password: given.Password, ServerAddress: serverAddress(given.Registry, name)})
	}
	settings, err := dockerSettings()
	if err != nil {
		return "", err
	}
	found, err := settings.GetAuthConfig(serverAddress("", name))
	if err != nil {
		return "", fmt.Errorf("ask for the credentials of %s: %w", reference.Domain(name), err)
	}
	if found.Username == "" && found.IdentityToken == "" && found.RegistryToken == "" && found.Auth == "" {
		return "", nil
	}
	return authconfig.Encode(registry.AuthConfig(found))
}

func serverAddress(given string, name reference.Named) string {
	if given == "" {
		given = reference.Domain(name)
	}
	if given == "docker.io" || given == "index.docker.io" {
		return hubIndex
	}
	return strings.TrimSuffix(given, "/")
}

// dockerSettings reads the user's Docker configuration; without one there are no credentials.
func dockerSettings() (*configfile.ConfigFile, error) {
	directory := configDirectory()
	if directory == "" {
		return configfile.New(""), nil
	}
	settings, err := config.Load(directory)
	if err != nil {
		return nil, fmt.Errorf("read the Docker CLI's configuration: %w", err)
	}
	if !settings.ContainsAuth() {
		settings.CredentialsStore = credentials.DetectDefaultStore(settings.CredentialsStore)
	}
	return settings, nil
}
