package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrNotThere is the registry's own answer that it has nothing under a name.
var ErrNotThere = errors.New("the registry has no such image")

// RefusedError is the registry's answer to somebody who may not ask.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap gives the registry's words.
func (e *RefusedError) Unwrap() error { return e.Err }

// Digest asks an image's registry what the name stands for. Nothing is pulled.
func Digest(ctx context.Context, image reference.Named, login Login) (string, error) {
	parsed, err := name.ParseReference(reference.TagNameOnly(image).String(), name.StrictValidation)
	if err != nil {
		return "", err
	}
	found, err := remote.Head(parsed, remote.WithContext(ctx), remote.WithAuth(authenticator(login)), remote.WithUserAgent("sundog"))
	if err != nil {
		return "", explain(parsed, err)
	}
	return found.Digest.String(), nil
}

func authenticator(login Login) authn.Authenticator {
	if IsEmpty(login) {
		return authn.Anonymous
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: login.Username, Password: login.Password, Auth: login.Auth, IdentityToken: login.IdentityToken, RegistryToken: login.RegistryToken,
	})
}

func explain(image name.Reference, err error) error {
	answer, ok := errors.AsType[*transport.Error](err)
	switch {
	case !ok:
		return fmt.Errorf("ask the registry %s: %w", image.Context().RegistryStr(), err)
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w", image, ErrNotThere)
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return &RefusedError{fmt.Errorf("the registry %s refuses: %w", image.Context().RegistryStr(), err)}
	}
	return fmt.Errorf("ask the registry %s: %w", image.Context().RegistryStr(), err)
}
