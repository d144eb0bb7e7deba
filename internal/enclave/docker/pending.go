package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// placementAttempts bounds how often address and ports are chosen that somebody else takes in the same moment.
const placementAttempts = 20

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
	for range placementAttempts {
		chosen.noInit = b.withoutInit.Load()
		if chosen.address, err = before.addressIn(subnet, gateway, service); err != nil {
			return made, chosen, err
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
