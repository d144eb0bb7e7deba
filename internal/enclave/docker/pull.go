package docker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// pullImage pulls an image with the credentials of the package, else with those of the user's Docker configuration.
func (b *Backend) pullImage(ctx context.Context, conn *connection, image plan.Image, name reference.Named) (*enclave.Image, error) {
	credentials, err := registryAuth(b.logins, image.Registry, name)
	if err != nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: actionPull, Err: err}
	}
	digest, err := conn.pull(ctx, image.Name, credentials)
	if err != nil {
		translated := conn.translate(err)
		if isUnreachable(translated) || ctx.Err() != nil {
			return nil, fmt.Errorf("pull image %q: %w", image.Name, translated)
		}
		return nil, &enclave.ImageError{Image: image.Name, Action: actionPull, Err: explainPull(translated, image.Registry, name, credentials != "")}
	}
	pulled, err := conn.localImage(ctx, image.Name)
	if err != nil {
		return nil, err
	}
	if pulled == nil {
		return nil, &enclave.ImageError{Image: image.Name, Action: actionPull, Err: errors.New("it was removed as soon as it had been pulled")}
	}
	pulled.Origin = originPulled
	if digest != "" {
		// An image may have several digests of one registry; this is what the name stands for there now.
		pulled.Digest = reference.FamiliarName(name) + "@" + digest
	}
	return pulled, nil
}

// pull follows a pull to its end, tells of each layer that has arrived, and gives the digest under which the registry has
// the image.
func (c *connection) pull(ctx context.Context, name, credentials string) (digest string, err error) {
	stream, err := c.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: credentials})
	if err != nil {
		return "", err
	}
	err = follow(ctx, stream.JSONMessages(ctx), []string{"Pull complete", "Already exists"}, func(message jsonstream.Message) {
		if found, ok := strings.CutPrefix(message.Status, "Digest: "); ok {
			digest = found
		}
	})
	return digest, err
}

// follow follows a pull or a push to its end. It tells of each layer that has arrived, which is known by what the engine says
// then, and passes all that it says on.
func follow(ctx context.Context, messages iter.Seq2[jsonstream.Message, error], arrived []string, each func(jsonstream.Message)) error {
	tell := enclave.Progress(ctx)
	for message, err := range messages {
		if err == nil && message.Error != nil {
			err = message.Error
		}
		if err != nil {
			return err
		}
		if slices.Contains(arrived, message.Status) {
			tell("layer " + message.ID + ": " + strings.ToLower(message.Status))
		}
		each(message)
	}
	return ctx.Err()
}

// refusals are what registries say to somebody who may not pull.
var refusals = []string{"unauthorized", "authentication required", "no basic auth credentials", "access denied", "access to the resource is denied", "403 forbidden", "401 unauthorized"}

// explainPull makes the engine's words an error that tells what to do. "Not found" is the registry's answer here; the
// image as a thing of the enclave is not what is meant.
func explainPull(err error, given *plan.RegistryCredentials, name reference.Named, authenticated bool) error {
	text := err.Error()
	lower := strings.ToLower(text)
	for _, refusal := range refusals {
		if !strings.Contains(lower, refusal) {
			continue
		}
		host := reference.Domain(name)
		switch {
		case registry.IsGiven(given):
			return fmt.Errorf("the registry %s refuses the credentials that the package gives in its ImageSpec: correct username and password there: %s", host, text)
		case authenticated:
			return fmt.Errorf("the registry %s refuses the credentials of the Docker configuration: renew them by `docker login %s`: %s", host, host, text)
		default:
			return fmt.Errorf("the registry %s wants credentials and there are none, or it has no such image: `docker login %s` once, or give username and password in the package's ImageSpec: %s", host, host, text)
		}
	}
	return errors.New(text)
}
