package docker

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// argsIterations makes guessing a build argument from the image's label slow.
const argsIterations = 100_000

// buildImage builds an image, unless there is one that was built of the same input.
func (b *Backend) buildImage(ctx context.Context, conn *connection, image plan.Image, name reference.Named) (*enclave.Image, error) {
	failure := func(err error) error {
		if isUnreachable(err) || ctx.Err() != nil {
			return fmt.Errorf("build image %q: %w", image.Name, err)
		}
		return &enclave.ImageError{Image: image.Name, Action: actionBuild, Err: err}
	}
	job, err := b.newBuildJob(image, name)
	if err != nil {
		return nil, failure(err)
	}
	inspected, err := conn.ImageInspect(ctx, image.Name)
	if err != nil && !errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("look for image %q: %w", image.Name, conn.translate(err))
	}
	if err == nil && inspected.Config != nil && inspected.Config.Labels[enclave.LabelDigest] == job.digest {
		return &enclave.Image{Name: image.Name, ID: inspected.ID, Origin: originBuilt}, nil
	}
	before := inspected.ID
	if err := b.obtain(ctx, conn, job); err != nil {
		return nil, failure(err)
	}
	built, err := conn.localImage(ctx, image.Name)
	if err != nil {
		return nil, err
	}
	if built == nil {
		return nil, failure(errors.New("it was removed as soon as it had been built"))
	}
	built.Origin, built.Digest = originBuilt, ""
	if before != "" && before != built.ID {
		// What the name meant before has no name any more; it stays only as long as a container uses it.
		if err := conn.removeImage(ctx, before); err != nil {
			b.logger.Warn("an image that was built before could not be removed", "image", before, "error", err)
		}
	}
	return built, nil
}

// buildJob is one image to be built.
type buildJob struct {
	name    reference.Named
	spec    *plan.Build
	visible *plan.FileTree // what the build's instructions can see of the context
	digest  string
	logins  registry.Logins // for the registries of the images that it builds on
	// architecture of the machines that the image is for, where that is not the engine's.
	architecture string
}

func (b *Backend) newBuildJob(image plan.Image, name reference.Named) (*buildJob, error) {
	visible, err := image.Build.Visible()
	if err != nil {
		return nil, err
	}
	digest, err := buildDigest(image.Build)
	if err != nil {
		return nil, err
	}
	return &buildJob{name: name, spec: image.Build, visible: visible, digest: digest, logins: b.logins}, nil
}

// options are what both builders are asked for.
func (j *buildJob) options() client.ImageBuildOptions {
	arguments := map[string]*string{}
	for key, value := range j.spec.Args {
		arguments[key] = &value
	}
	options := client.ImageBuildOptions{
		Tags: []string{reference.FamiliarString(j.name)}, Dockerfile: j.spec.File(), Target: j.spec.TargetStage, BuildArgs: arguments,
		Labels: map[string]string{enclave.LabelManagedBy: enclave.ManagedBy, enclave.LabelRole: roleImage, enclave.LabelDigest: j.digest},
	}
	if j.architecture != "" {
		options.Platforms = []ocispec.Platform{{OS: "linux", Architecture: j.architecture}}
	}
	return options
}

// obtain gives the image its name. If one of the same input is there under another name, or under none any more, it is
// that one: two copies of a package that build different images of one name then do not build them again and again.
func (b *Backend) obtain(ctx context.Context, conn *connection, job *buildJob) error {
	found, err := conn.ImageList(ctx, client.ImageListOptions{Filters: withLabels(enclave.LabelDigest+"="+job.digest, enclave.LabelRole+"="+roleImage)})
	if err != nil {
		return conn.translate(err)
	}
	for _, item := range found.Items {
		_, err := conn.ImageTag(ctx, client.ImageTagOptions{Source: item.ID, Target: reference.FamiliarString(job.name)})
		if err == nil || !errdefs.IsNotFound(err) {
			return conn.translate(err)
		}
	}
	return b.runBuild(ctx, conn, job)
}

// runBuild builds with BuildKit where the engine has it, and with the classic builder elsewhere.
func (b *Backend) runBuild(ctx context.Context, conn *connection, job *buildJob) error {
	builder, err := conn.builder(ctx)
	if err != nil {
		return err
	}
	if builder == build.BuilderBuildKit {
		err := conn.buildWithBuildKit(ctx, job)
		if !errors.Is(err, errNoSession) {
			return explainBuild(err, job.spec, true)
		}
		b.logger.Debug("the engine has no BuildKit after all", "error", err)
	}
	return explainBuild(b.buildClassic(ctx, conn, job), job.spec, false)
}

// buildDigest covers everything that an image is built of.
func buildDigest(spec *plan.Build) (string, error) {
	input, err := spec.InputDigest()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, input)
	if len(spec.Args) > 0 {
		text, err := json.Marshal(spec.Args)
		if err != nil {
			return "", err
		}
		// Arguments may hold secrets and the digest becomes a label, so it must not serve to guess them.
		key, err := pbkdf2.Key(sha256.New, string(text), []byte(input), argsIterations, sha256.Size)
		if err != nil {
			return "", err
		}
		hash.Write(key)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
