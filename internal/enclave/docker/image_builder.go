package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// ImageBuilder builds images on a Docker Engine for services that run elsewhere. The engine keeps none of them, but for what
// its build cache does.
type ImageBuilder struct {
	backend *Backend
	busy    keyedMutex // by reference
}

var _ enclave.ImageBuilder = (*ImageBuilder)(nil)

// NewImageBuilder makes a builder, which connects when it is first used.
func NewImageBuilder(options Options) *ImageBuilder { return &ImageBuilder{backend: New(options)} }

// BuildDigest implements enclave.ImageBuilder.
func (b *ImageBuilder) BuildDigest(build *plan.Build) (string, error) { return buildDigest(build) }

// PushImage implements enclave.ImageBuilder.
func (b *ImageBuilder) PushImage(ctx context.Context, image plan.Image, architecture, target string) (digest string, err error) {
	err = b.with(ctx, image, architecture, target, func(conn *connection, name reference.Named) error {
		credentials, err := registryAuth(b.backend.logins, nil, name)
		if err != nil {
			return err
		}
		if digest, err = conn.push(ctx, name, credentials); err != nil {
			return explainPush(conn.translate(err), name, credentials != "")
		}
		return nil
	})
	return digest, err
}

// SaveImage implements enclave.ImageBuilder.
func (b *ImageBuilder) SaveImage(ctx context.Context, image plan.Image, architecture, target string, archive io.Writer) error {
	return b.with(ctx, image, architecture, target, func(conn *connection, name reference.Named) error {
		content, err := conn.ImageSave(ctx, []string{reference.FamiliarString(name)})
		if err != nil {
			return conn.translate(err)
		}
		defer content.Close() //nolint:errcheck // It was only read.
		if _, err := io.Copy(archive, content); err != nil {
			return fmt.Errorf("save it: %w", err)
		}
		return nil
	})
}

// with builds an image, lets somebody use it under its name, and takes the name away again.
func (b *ImageBuilder) with(ctx context.Context, image plan.Image, architecture, target string, use func(*connection, reference.Named) error) error {
	conn, err := b.backend.connect()
	if err != nil {
		return err
	}
	failure := func(err error) error {
		if isUnreachable(err) || ctx.Err() != nil {
			return fmt.Errorf("build image %q: %w", image.Name, err)
		}
		return &enclave.ImageError{Image: image.Name, Action: actionBuild, Err: err}
	}
	name, err := reference.ParseNormalizedNamed(target)
	if err != nil {
		return failure(fmt.Errorf("%q is no name of an image: %w", target, err))
	}
	defer b.busy.lock(target)()
	job, err := b.backend.newBuildJob(image, name)
	if err != nil {
		return failure(err)
	}
	engine, err := conn.platform(ctx)
	if err != nil {
		return failure(err)
	}
	if architecture != engine.Architecture {
		job.architecture = architecture
		job.digest += "-" + architecture
	}
	defer func() {
		detached, cancel := detach(ctx)
		defer cancel()
		if err := conn.removeImage(detached, reference.FamiliarString(name)); err != nil {
			b.backend.logger.Warn("an image that was built stays on the engine", "image", target, "error", err)
		}
	}()
	for again := false; ; again = true {
		if err := b.backend.obtain(ctx, conn, job); err != nil {
			return failure(err)
		}
		err := use(conn, name)
		if err == nil {
			return nil
		}
		if again || !isNameless(err) {
			return failure(err)
		}
	}
}

// isNameless tells that another process, which builds the same, has taken the name away meanwhile.
func isNameless(err error) bool {
	return errdefs.IsNotFound(err) || strings.Contains(err.Error(), "does not exist locally with the tag") || strings.Contains(err.Error(), "No such image")
}

// push follows a push to its end, and gives the digest under which the registry has the image.
func (c *connection) push(ctx context.Context, name reference.Named, credentials string) (digest string, err error) {
	stream, err := c.ImagePush(ctx, name.String(), client.ImagePushOptions{RegistryAuth: credentials})
	if err != nil {
		return "", err
	}
	err = follow(ctx, stream.JSONMessages(ctx), []string{"Pushed", "Layer already exists"}, func(message jsonstream.Message) {
		var pushed struct{ Digest string }
		if message.Aux != nil && json.Unmarshal(*message.Aux, &pushed) == nil && pushed.Digest != "" {
			digest = pushed.Digest
		}
	})
	if err == nil && digest == "" {
		err = errors.New("the engine does not tell under which digest it pushed the image")
	}
	return digest, err
}

// explainPush makes a refusal an error that tells what to do.
func explainPush(err error, name reference.Named, authenticated bool) error {
	lower := strings.ToLower(err.Error())
	host := reference.Domain(name)
	refused := strings.Contains(lower, "denied")
	for _, refusal := range refusals {
		refused = refused || strings.Contains(lower, refusal)
	}
	switch {
	case !refused:
		return fmt.Errorf("push it as %s: %w", reference.FamiliarString(name), err)
	case authenticated:
		return fmt.Errorf("push it as %s: the registry %s refuses the credentials of the Docker configuration, or does not let them push there: renew them by `docker login %s`, or make the repository where the registry wants that: %w", reference.FamiliarString(name), host, host, err)
	default:
		return fmt.Errorf("push it as %s: the registry %s wants credentials and there are none: `docker login %s` once: %w", reference.FamiliarString(name), host, host, err)
	}
}
