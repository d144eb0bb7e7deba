package engine

import (
	"context"
	"errors"
	"slices"

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
			ready, err := x.engine.backend.EnsureImage(ctx, needed.image, needed.policy)
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
