package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"path"
	"strings"

	"github.com/distribution/reference"
)

// Entries are credentials in the form in which a Docker configuration holds them, and a cluster's pull secrets too: by
// the registry's address, which may have a path and wildcards.
type Entries map[string]json.RawMessage

// NewEntries holds one login with a name and a password. It is empty if the login has none: whoever pulls by such a file
// knows nothing else.
func NewEntries(address string, login Login) (Entries, error) {
	if login.Password == "" {
		return Entries{}, nil
	}
	text, err := json.Marshal(map[string]string{
		"username": login.Username, "password": login.Password,
		"auth": base64.StdEncoding.EncodeToString([]byte(login.Username + ":" + login.Password)),
	})
	return Entries{address: text}, err
}

// ParseEntries reads a Docker configuration ({"auths": ...}).
func ParseEntries(content []byte) (Entries, error) {
	var file struct {
		Auths Entries `json:"auths"`
	}
	if json.Unmarshal(content, &file) != nil {
		// What is wrong with it would show parts of it.
		return nil, errors.New("it is no Docker configuration")
	}
	return file.Auths, nil
}

// ParseBareEntries reads the older form of a Docker configuration, which is the entries alone.
func ParseBareEntries(content []byte) (Entries, error) {
	var entries Entries
	if json.Unmarshal(content, &entries) != nil {
		return nil, errors.New("it is no Docker configuration of the older form")
	}
	return entries, nil
}

// For gives those of the entries that are about an image's registry.
func (e Entries) For(image reference.Named) Entries {
	found := Entries{}
	for address, entry := range e {
		if isAbout(address, reference.Domain(image)) {
			found[address] = entry
		}
	}
	return found
}

// Add takes entries of others for addresses that are not there yet.
func (e Entries) Add(others Entries) {
	for address, entry := range others {
		if _, found := e[address]; !found {
			e[address] = entry
		}
	}
}

// Document is the entries as a Docker configuration.
func (e Entries) Document() ([]byte, error) {
	return json.Marshal(map[string]Entries{"auths": e})
}

// isAbout tells whether an address of a configuration means a registry. Which path it is about, whoever pulls looks at.
func isAbout(address, domain string) bool {
	if _, rest, found := strings.Cut(address, "://"); found {
		address = rest
	}
	host, _, _ := strings.Cut(address, "/")
	if domain == "docker.io" {
		return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io"
	}
	matched, err := path.Match(host, domain)
	return err == nil && matched
}
