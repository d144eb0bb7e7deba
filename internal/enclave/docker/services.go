package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// CreateService implements enclave.Services. The new container is made under a pending name, files and all, while the
// old one stays as it is; then the old one is removed and the new one takes its name. So a failure or a kill before that
// loses nothing, and whatever has the service's name is complete. Address and host ports stand in the labels of both.
func (b *Backend) CreateService(ctx context.Context, name string, request enclave.ServiceRequest) (*enclave.Service, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	service, err := b.createService(ctx, conn, name, request)
	if err != nil {
		return nil, fmt.Errorf("create service %q in enclave %q: %w", request.Spec.Name, name, err)
	}
	return service, nil
}

func (b *Backend) createService(ctx context.Context, conn *connection, name string, request enclave.ServiceRequest) (*enclave.Service, error) {
	service := request.Spec.Name
	before, err := conn.predecessors(ctx, name, request)
	if err != nil {
		return nil, err
	}
	if before.pending != nil {
		if err := conn.removeContainer(ctx, before.pending.ID); err != nil {
			return nil, fmt.Errorf("remove a half-made predecessor: %w", err)
		}
	}
	if request.Image.Origin == originBuilt {
		// The note is written before the image is used, so that the enclave's removal finds the image in any case.
		if err := conn.noteImage(ctx, name, request.Image); err != nil {
			return nil, err
		}
	}
	made, chosen, err := b.createPending(ctx, conn, request, before)
	id := made.ID
	if err == nil {
		err = b.fillMounts(ctx, conn, id, request, chosen)
	}
	if err == nil {
		err = conn.keepPlace(ctx, before.state, service, request.Task, placeOf(chosen.address.String(), chosen.ports))
	}
	if err != nil {
		detached, cancel := detach(ctx)
		defer cancel()
		return nil, errors.Join(err, conn.discard(detached, id, name, service, chosen.generation))
	}
	// From here on nothing is undone: the pending container is complete, and knows address and ports of the one that goes.
	if before.current != nil {
		if err := conn.retire(ctx, *before.current); err != nil {
			return nil, err
		}
	}
	for _, old := range before.volumes {
		if err := conn.removeVolume(ctx, old); err != nil {
			return nil, err
		}
	}
	// Whatever has the service's name has nothing half-done beside it, so this comes last.
	if err := conn.rename(ctx, id, serviceName(name, service)); err != nil {
		return nil, err
	}
	return serviceFromSummary(conn, made, nil)
}

// discard removes what a failed creation has made.
func (c *connection) discard(ctx context.Context, id, name, service, generation string) error {
	if id != "" {
		if err := c.removeContainer(ctx, id); err != nil {
			return fmt.Errorf("remove the half-made container: %w", err)
		}
	}
	return c.removeVolumes(ctx, ofEnclave(name), ofService(service), labelGeneration+"="+generation)
}

// retire ends the container that is replaced and removes it. Whoever keeps data in a persistent directory is asked to
// end; all else is thrown away anyhow.
func (c *connection) retire(ctx context.Context, item container.Summary) error {
	if item.State == container.StateRunning && keepsData(item) {
		if _, err := c.ContainerStop(ctx, item.ID, client.ContainerStopOptions{Timeout: new(stopSeconds)}); ignoreMissing(err) != nil {
			return fmt.Errorf("stop the container that is replaced: %w", c.translate(err))
		}
	}
	if err := c.removeContainer(ctx, item.ID); err != nil {
		return fmt.Errorf("remove the container that is replaced: %w", err)
	}
	if item.Image == item.ImageID {
		// The engine names the image by its ID: the name that the container was made with means another one by now.
		return c.removeSuperseded(ctx, item.ImageID)
	}
	return nil
}

// keepsData tells whether a container has a persistent directory, by the name of its volume.
func keepsData(item container.Summary) bool {
	return slices.ContainsFunc(item.Mounts, func(point container.MountPoint) bool {
		return strings.HasPrefix(point.Name, persistentPrefix(item.Labels[enclave.LabelEnclave]))
	})
}

func (c *connection) rename(ctx context.Context, id, name string) error {
	if _, err := c.ContainerRename(ctx, id, client.ContainerRenameOptions{NewName: name}); err != nil {
		return fmt.Errorf("give the container its name: %w", c.translate(err))
	}
	return nil
}

// noteImage writes down that an enclave uses an image that was built: its name, and its ID, which is all that is left of
// it once the name means a newer one.
func (c *connection) noteImage(ctx context.Context, name string, image enclave.Image) error {
	noted := func(text string) note {
		return note{fmt.Sprintf("%s/%016x", folderImages, hash64(text)), []byte(text)}
	}
	return c.writeNotes(ctx, name, noted(image.Name), noted(image.ID))
}

// RemoveService implements enclave.Services.
func (b *Backend) RemoveService(ctx context.Context, name, service string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.removeService(ctx, name, service); err != nil {
		return fmt.Errorf("remove service %q: %w", service, err)
	}
	return nil
}

func (c *connection) removeService(ctx context.Context, name, service string) error {
	containers, err := c.allContainers(ctx)
	if err != nil {
		return err
	}
	for _, item := range containers {
		if item.Labels[enclave.LabelEnclave] != name || item.Labels[enclave.LabelService] != service {
			continue
		}
		if err := c.retire(ctx, item); err != nil {
			return err
		}
	}
	volumes, err := c.volumesOf(ctx, name, service)
	if err != nil {
		return err
	}
	for _, item := range volumes {
		if err := c.removeVolume(ctx, item); err != nil {
			return err
		}
	}
	return nil
}
