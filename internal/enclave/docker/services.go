package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
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

// predecessors is what CreateService finds.
type predecessors struct {
	state *enclaveState
	// current has the service's name, pending was left half-made by somebody who was killed.
	current, pending *container.Summary
	// volumes belong to an earlier container of the service, or to none.
	volumes []string
	taken   reservations
	// address and ports are what the service had.
	address netip.Addr
	ports   map[string]publishedPort
}

// predecessors looks at all containers of Sundog at once, as host ports are shared by all enclaves.
func (c *connection) predecessors(ctx context.Context, name string, request enclave.ServiceRequest) (*predecessors, error) {
	state, err := c.sharedState(ctx, name)
	if err != nil {
		return nil, err
	}
	containers, err := c.allContainers(ctx)
	if err != nil {
		return nil, err
	}
	service := request.Spec.Name
	found := &predecessors{state: state, taken: reservationsBut(containers, name, service).keptFor(state, containers, service)}
	if found.volumes, err = c.volumesOf(ctx, name, service); err != nil {
		return nil, err
	}
	for _, item := range containers {
		switch containerName(item) {
		case serviceName(name, service):
			found.current = &item
		case pendingName(name, service):
			found.pending = &item
		}
	}
	for _, item := range []*container.Summary{found.current, found.pending} {
		if item == nil {
			continue
		}
		if run := item.Labels[enclave.LabelRun]; run != request.Run {
			return nil, &enclave.OwnedError{Kind: "service", Name: service, Run: run, CreatedAt: time.Unix(item.Created, 0)}
		}
		if found.ports != nil {
			continue
		}
		// What cannot be read is chosen anew.
		found.ports, _ = portsOf(item.Labels)
		found.address, _ = netip.ParseAddr(item.Labels[labelAddress])
	}
	if kept, noted := state.places[service]; noted && found.ports == nil {
		found.ports = kept.ports()
		found.address, _ = netip.ParseAddr(kept.Address)
	}
	return found, nil
}

// createPending makes volumes and the container. Two processes may choose the same address or port at the same time:
// each looks again after it has written its choice down, and whoever sees a conflict gives way.
func (b *Backend) createPending(ctx context.Context, conn *connection, request enclave.ServiceRequest, before *predecessors) (made container.Summary, chosen placement, err error) {
	name, service := before.state.enclave.Name, request.Spec.Name
	chosen = placement{enclave: name, generation: newGeneration()}
	if err = conn.createVolumes(ctx, before.state, request, &chosen); err != nil {
		return made, chosen, err
	}
	subnet, gateway, err := subnetOf(before.state.network)
	if err != nil {
		return made, chosen, err
	}
	for range 20 {
		chosen.noInit = b.withoutInit.Load()
		chosen.address = before.address
		if !subnet.Contains(chosen.address) || before.taken.addresses[chosen.address] {
			if chosen.address, err = chooseAddress(subnet, gateway, service, before.taken.avoided()); err != nil {
				chosen.address, err = chooseAddress(subnet, gateway, service, before.taken.addresses)
			}
			if err != nil {
				return made, chosen, err
			}
		}
		if chosen.ports, err = allocatePorts(name, request.Spec, before.ports, before.taken); err != nil {
			return made, chosen, err
		}
		options, err := containerOptions(request, chosen)
		if err != nil {
			return made, chosen, err
		}
		if made.ID, err = b.createContainer(ctx, conn, options, request); err != nil {
			return made, chosen, err
		}
		containers, err := conn.allContainers(ctx)
		if err != nil {
			return made, chosen, err
		}
		now := reservationsBut(containers, name, service).keptFor(before.state, containers, service)
		if !now.conflicts(chosen, before.taken) {
			made, err = withID(containers, made.ID)
			return made, chosen, err
		}
		before.taken = now
		if err := conn.removeContainer(ctx, made.ID); err != nil {
			return made, chosen, err
		}
	}
	return made, chosen, errors.New("others take addresses and ports as fast as they are chosen")
}

// withID finds a container that was made just now.
func withID(containers []container.Summary, id string) (container.Summary, error) {
	for _, item := range containers {
		if item.ID == id {
			return item, nil
		}
	}
	return container.Summary{ID: id}, errors.New("the container was removed by somebody else as soon as it was made")
}

// conflicts tells whether somebody else has written down the same choice since the one before was made. A pinned port
// that was taken all along is left to the engine, which knows whether its holder runs.
func (r reservations) conflicts(chosen placement, before reservations) bool {
	if r.addresses[chosen.address] {
		return true
	}
	for _, port := range chosen.ports {
		key := hostPort{port.Transport, port.HostPort}
		if !port.Pinned && r.ports[key] && !before.ports[key] {
			return true
		}
	}
	return false
}

// createContainer creates the container. If an image that was built has been removed since, by the end of another
// enclave that used it, it is built once more.
func (b *Backend) createContainer(ctx context.Context, conn *connection, options client.ContainerCreateOptions, request enclave.ServiceRequest) (string, error) {
	created, err := conn.ContainerCreate(ctx, options)
	if errdefs.IsNotFound(err) && strings.Contains(err.Error(), "No such image") {
		if request.Spec.Image.Build == nil {
			return "", &enclave.ImageError{Image: options.Config.Image, Action: "find", Err: errors.New("the image was removed after it had been found")}
		}
		if _, err := b.EnsureImage(ctx, request.Spec.Image, enclave.ImageMissing); err != nil {
			return "", err
		}
		created, err = conn.ContainerCreate(ctx, options)
	}
	if err != nil {
		return "", conn.translate(err)
	}
	for _, warning := range created.Warnings {
		b.logger.Warn("the engine warns about a service", "service", request.Spec.Name, "warning", warning)
	}
	return created.ID, nil
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

// newGeneration ties volumes to the container that they are made for.
func newGeneration() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // It never fails (crypto/rand).
	return hex.EncodeToString(random[:])
}

// createVolumes makes one volume for each mount: a service's own one for artifacts, a shared one for a persistent
// directory.
func (c *connection) createVolumes(ctx context.Context, state *enclaveState, request enclave.ServiceRequest, chosen *placement) error {
	name := state.enclave.Name
	chosen.volumes, chosen.fresh, chosen.persistent = map[string]string{}, map[string]bool{}, map[string]string{}
	for i, path := range slices.Sorted(maps.Keys(request.Spec.Files)) {
		options := client.VolumeCreateOptions{
			Name: fmt.Sprintf("%s.%s.%d", serviceName(name, request.Spec.Name), chosen.generation, i),
			Labels: objectLabels(name, roleVolume, map[string]string{
				enclave.LabelRun: request.Run, enclave.LabelService: request.Spec.Name, labelGeneration: chosen.generation,
			}),
		}
		key := request.Spec.Files[path].PersistentKey
		if key != "" {
			options.Name = persistentPrefix(name) + key
			options.Labels = objectLabels(name, roleVolume, map[string]string{labelPersistentKey: key, labelTracked: chosen.generation})
		}
		made, err := c.VolumeCreate(ctx, options)
		if err != nil {
			return fmt.Errorf("make the volume for %s: %w", path, c.translate(err))
		}
		chosen.volumes[path] = options.Name
		if key != "" {
			// One that is there already keeps its own labels.
			mark := made.Volume.Labels[labelTracked]
			chosen.persistent[key] = mark
			chosen.fresh[path] = isFresh(mark, state.used[key])
		}
	}
	return nil
}

func persistentPrefix(name string) string { return "sundog-" + name + "_persistent_" }
