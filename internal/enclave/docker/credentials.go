package docker

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// hubIndex is the key under which credentials of Docker Hub are kept.
const hubIndex = "https://index.docker.io/v1/"

// registryAuth encodes credentials for one pull; empty when there are none.
func registryAuth(given *plan.RegistryCredentials, name reference.Named) (string, error) {
	if isGiven(given) {
		return authconfig.Encode(registry.AuthConfig{Username: given.Username, Password: given.Password, ServerAddress: serverAddress(given.Registry, name)})
	}
	found, err := userCredentials(serverAddress("", name))
	if err != nil {
		return "", err
	}
	if found.Username == "" && found.IdentityToken == "" && found.RegistryToken == "" && found.Auth == "" {
		return "", nil
	}
	return authconfig.Encode(registry.AuthConfig(found))
}

func isGiven(given *plan.RegistryCredentials) bool {
	return given != nil && (given.Username != "" || given.Password != "")
}

// userCredentials gives what the user's Docker configuration has for a registry: of DOCKER_AUTH_CONFIG, of a credential
// helper, or of the file itself.
func userCredentials(address string) (types.AuthConfig, error) {
	settings, err := dockerSettings()
	if err != nil {
		return types.AuthConfig{}, err
	}
	found, err := settings.GetAuthConfig(address)
	if err != nil {
		return types.AuthConfig{}, fmt.Errorf("ask for the credentials of %s: %w", address, err)
	}
	return found, nil
}

// serverAddress is the key of a registry in the user's configuration.
func serverAddress(given string, name reference.Named) string {
	if given == "" {
		given = reference.Domain(name)
	}
	switch given {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
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

// allCredentials gives the classic builder the credentials for all registries, as it does not tell which it needs.
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
