package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// StatusNewerImage is what the status of a running service has at its end while its image's name means newer content in
// the image's registry.
const StatusNewerImage = " (newer image)"

// registryPatience bounds how long registries are asked: who cannot reach one must still be able to plan.
const registryPatience = 10 * time.Second

// ViewNewerImages is View for a run whose images are pulled at every apply: it asks the images' registries, and pulls
// nothing. A service whose image has moved on shows it in its status and does not hold. What cannot be asked counts as
// unchanged.
func (e *Engine) ViewNewerImages(ctx context.Context, enclaveName, run string) (*View, error) {
	view, err := e.View(ctx, enclaveName, run)
	if err != nil || view.seen.record == nil {
		return view, err
	}
	view.newer, err = e.newerImages(ctx, view.seen.record)
	return view, err
}

// markNewer shows at running services that their images have moved on.
func (r *Result) markNewer(newer map[string]bool) {
	for name, service := range r.Services {
		if newer[service.Image] && service.State == enclave.StateRunning {
			service.Status += StatusNewerImage
			service.Holds = false
			r.Services[name] = service
		}
	}
}

// newerImages gives the names of a record's images that stand for other content in their registries.
func (e *Engine) newerImages(ctx context.Context, known *record) (map[string]bool, error) {
	asking, cancel := context.WithTimeout(ctx, registryPatience)
	defer cancel()
	newer := map[string]bool{}
	var mutex sync.Mutex
	var group errgroup.Group
	group.SetLimit(imageLimit)
	for _, key := range sortedKeys(known.Images) {
		image := known.Images[key]
		// A name that holds a digest never moves.
		if image.Digest == "" || strings.Contains(image.Name, "@") {
			continue
		}
		group.Go(func() error {
			digest, err := e.backend.RegistryDigest(asking, plan.Image{Name: image.Name})
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, enclave.ErrNotFound), asking.Err() != nil:
				e.logger.Warn("whether an image has moved on is not known", "image", image.Name, "error", err)
				return nil
			case err != nil:
				return err
			}
			mutex.Lock()
			defer mutex.Unlock()
			newer[image.Name] = contentOf(digest) != contentOf(image.Digest)
			return nil
		})
	}
	return newer, group.Wait()
}

// contentOf is the digest alone.
func contentOf(reference string) string {
	_, digest, _ := strings.Cut(reference, "@")
	return digest
}
