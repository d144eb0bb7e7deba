package docker

import (
	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	engineregistry "github.com/moby/moby/api/types/registry"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// registryAuth encodes credentials for one pull or push; empty when there are none.
func registryAuth(logins registry.Logins, given *plan.RegistryCredentials, name reference.Named) (string, error) {
	found, err := logins.For(given, name)
	if err != nil || registry.IsEmpty(found) {
		return "", err
	}
	return authconfig.Encode(engineregistry.AuthConfig(found))
}

// allCredentials gives the classic builder the credentials for all registries, as it does not tell which it needs.
func (b *Backend) allCredentials() map[string]engineregistry.AuthConfig {
	found, err := b.logins.All()
	if err != nil {
		b.logger.Warn("images are built without some credentials, or without any", "error", err)
	}
	all := map[string]engineregistry.AuthConfig{}
	for host, login := range found {
		all[host] = engineregistry.AuthConfig(login)
	}
	return all
}
