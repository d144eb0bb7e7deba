package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// imageLimit bounds how many images are pulled or built at the same time.
const imageLimit = 4

// neededImage is an image and the first instruction that needs it.
type neededImage struct {
	image       plan.Image
	policy      enclave.ImagePolicy
	instruction int
	service     string
}

// neededImages gives each image of a plan once, in the order of the plan.
func neededImages(p *plan.Plan, policy enclave.ImagePolicy) []neededImage {
	if policy == "" {
		policy = enclave.ImageMissing
	}
	var images []neededImage
	index := map[string]int{}
	add := func(i int, spec *plan.ServiceSpec, policy enclave.ImagePolicy) {
		key := imageKey(spec.Image)
		at, found := index[key]
		if !found {
			index[key] = len(images)
			images = append(images, neededImage{spec.Image, policy, i, spec.Name})
			return
		}
		if images[at].image.Registry == nil {
			images[at].image.Registry = spec.Image.Registry
		}
		if policy == enclave.ImageAlways {
			images[at].policy = policy
		}
	}
	for i := range p.Instructions {
		switch operation := p.Instructions[i].Operation.(type) {
		case *plan.AddServices:
			for j := range operation.Services {
				add(i, &operation.Services[j], policy)
			}
		case *plan.RunTask:
			// Tasks run what is there, as package authors expect.
			taskPolicy := policy
			if policy == enclave.ImageAlways {
				taskPolicy = enclave.ImageMissing
			}
			add(i, &operation.Service, taskPolicy)
		}
	}
	return images
}

// imageKey tells images apart that are to be made ready separately. It may hold secrets, so it is written nowhere.
func imageKey(image plan.Image) string {
	if image.Build == nil {
		return image.Name
	}
	var arguments strings.Builder
	for _, name := range sortedKeys(image.Build.Args) {
		fmt.Fprintf(&arguments, "%q=%q ", name, image.Build.Args[name])
	}
	context := ""
	if image.Build.Context != nil {
		context = image.Build.Context.Digest()
	}
	return fmt.Sprintf("%s %s %q %q %s", image.Name, context, image.Build.BuildFile, image.Build.TargetStage, arguments.String())
}

// ensureImages makes all images of the plan ready before anything else happens. Every image that is not to be had is
// one error.
func (x *execution) ensureImages(ctx context.Context) error {
	images := neededImages(x.plan, x.request.Images)
	failures := make([]error, len(images))
	warnings := make([][]string, len(images))
	var group errgroup.Group
	group.SetLimit(imageLimit)
	for n, needed := range images {
		group.Go(func() error {
			done := x.event("image", needed.image.Name, "")
			ready, err := x.ensureImage(enclave.WithProgress(ctx, func(line string) {
				x.tell("image", needed.image.Name, eventProgress, line)
			}), needed)
			done(err)
			if err == nil {
				x.world.setImage(needed.image, *ready)
				warnings[n] = ready.Warnings
			} else {
				failures[n] = x.placed(needed.instruction, &serviceError{needed.service, err})
			}
			return nil // After a failure the others are tried as well.
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, text := range slices.Concat(warnings...) {
		x.warn(text)
	}
	return errors.Join(failures...)
}

// ensureImage makes one image ready and writes down what its name was resolved to.
func (x *execution) ensureImage(ctx context.Context, needed neededImage) (*enclave.Image, error) {
	key, err := x.decider.digests.image(needed.image)
	if err != nil {
		return nil, err
	}
	var ready *enclave.Image
	if known := x.store.image(key); known != nil && needed.image.Build == nil && needed.policy != enclave.ImageAlways {
		if ready, err = x.knownImage(ctx, needed, known); err != nil {
			return nil, err
		}
	}
	if ready == nil {
		if ready, err = x.engine.backend.EnsureImage(ctx, needed.image, needed.policy); err != nil {
			return nil, err
		}
	}
	if known := x.store.image(key); ready.Unresolved && known != nil && known.Digest != "" {
		// What it meant before is better than what nobody knows.
		found, err := x.knownImage(ctx, needed, known)
		if err != nil {
			return nil, err
		}
		if found != nil {
			found.Warnings = append(found.Warnings, fmt.Sprintf("what image %q means by now could not be asked, so it is the one that it meant before", needed.image.Name))
			ready = found
		}
	}
	x.store.change(func(r *record) {
		r.Images[key] = &imageRecord{Name: needed.image.Name, ID: ready.ID, Digest: ready.Digest}
	})
	x.usedImage(key)
	return ready, nil
}

// knownImage gives what an image's name was resolved to in an earlier apply: the same content, even if the name means
// another one by now. It is nil if that content is not to be had any more, so that the name has to be resolved anew.
func (x *execution) knownImage(ctx context.Context, needed neededImage, known *imageRecord) (*enclave.Image, error) {
	backend := x.engine.backend
	found, err := backend.ResolvedImage(ctx, enclave.Image{Name: needed.image.Name, ID: known.ID, Digest: known.Digest})
	if err == nil {
		found.Policy = needed.policy
		return found, nil
	}
	if !errors.Is(err, enclave.ErrNotFound) {
		return nil, err
	}
	if known.Digest == "" || needed.policy != enclave.ImageMissing {
		return nil, nil //nolint:nilnil // Having none is an ordinary answer.
	}
	byDigest := needed.image
	byDigest.Name = known.Digest
	found, err = backend.EnsureImage(ctx, byDigest, enclave.ImageMissing)
	if _, refused := errors.AsType[*enclave.ImageError](err); refused {
		return nil, nil //nolint:nilnil // As above: registries forget what no name stands for.
	}
	if err != nil {
		return nil, err
	}
	found.Name, found.Digest, found.Moved = needed.image.Name, known.Digest, true
	return found, nil
}

// usedImage notes that the plan has an image of the record.
func (x *execution) usedImage(key string) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.images[key] = true
}

// observedImage gives an image as far as it is known without asking for it: as it was resolved before, else as the
// containers have it. One that was not built of this input yet is none that anything has.
func (o *observation) observedImage(run, key string, image plan.Image) enclave.Image {
	if o.record != nil {
		if known := o.record.Images[key]; known != nil {
			return enclave.Image{Name: image.Name, ID: known.ID, Digest: known.Digest}
		}
		if image.Build != nil && o.record.hasImage(image.Name) {
			return enclave.Image{Name: image.Name, ID: "an image that is to be built"}
		}
	}
	return enclave.Image{Name: image.Name, ID: imageOf(o.snapshot, run, image.Name)}
}

// imageOf gives the image that a run's containers of that name have.
func imageOf(snapshot *enclave.Snapshot, run, name string) string {
	id := ""
	for _, service := range sortedKeys(snapshot.Services) {
		found := snapshot.Services[service]
		if found.Image == name && (id == "" || found.Run == run) {
			id = found.ImageID
		}
	}
	return id
}
