// Package registry knows image registries for all backends: which credentials a user has for one, and what a name means
// there. It moves no image, and keeps nothing.
package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// HubIndex is the key under which credentials of Docker Hub are kept.
const HubIndex = "https://index.docker.io/v1/"

// Login is what a registry is told about who asks.
type Login = types.AuthConfig

// IsEmpty tells that there is nothing to tell.
func IsEmpty(login Login) bool {
	return login.Username == "" && login.Password == "" && login.IdentityToken == "" && login.RegistryToken == "" && login.Auth == ""
}

// Logins are the credentials in a Docker configuration.
type Logins struct {
	// Directory holds the configuration; empty means the user's own (DOCKER_CONFIG, or .docker in the home folder).
	Directory string
}

// ConfigDirectory is where the Docker CLI keeps its configuration; empty where there is not even a home.
func ConfigDirectory() string {
	if directory := os.Getenv("DOCKER_CONFIG"); directory != "" {
		return directory
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".docker")
}

// Of gives what there is for a registry, by its address: of DOCKER_AUTH_CONFIG, of a credential helper, or of the file
// itself. It is empty where there is nothing.
func (l Logins) Of(address string) (Login, error) {
	settings, err := l.settings()
	if err != nil {
		return Login{}, err
	}
	found, err := settings.GetAuthConfig(address)
	if err != nil {
		return Login{}, fmt.Errorf("ask for the credentials of %s: %w", address, err)
	}
	return found, nil
}

// For gives what to tell the registry of an image: what the package gives, else what the configuration has.
func (l Logins) For(given *plan.RegistryCredentials, name reference.Named) (Login, error) {
	if IsGiven(given) {
		return Login{Username: given.Username, Password: given.Password, ServerAddress: Address(given.Registry, name)}, nil
	}
	return l.Of(Address("", name))
}

// All gives all credentials by address, as far as they are to be had.
func (l Logins) All() (map[string]Login, error) {
	settings, err := l.settings()
	if err != nil {
		return nil, err
	}
	return settings.GetAllCredentials()
}

// settings reads the configuration; without one there are no credentials.
func (l Logins) settings() (*configfile.ConfigFile, error) {
	directory := l.Directory
	if directory == "" {
		directory = ConfigDirectory()
	}
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

// IsGiven tells whether a package gives credentials.
func IsGiven(given *plan.RegistryCredentials) bool {
	return given != nil && (given.Username != "" || given.Password != "")
}

// Address is the key of a registry in a configuration: of the one that is given, else of the one that an image's name names.
func Address(given string, name reference.Named) string {
	if given == "" {
		given = reference.Domain(name)
	}
	switch given {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
		return HubIndex
	}
	return strings.TrimSuffix(given, "/")
}
