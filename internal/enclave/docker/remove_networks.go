package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

const (
	// detachAttempts bounds how often the removal of a network is tried that still counts containers, about three seconds in all.
	detachAttempts = 7
	// firstDetachPause is waited after the first attempt, and twice as long after each other one.
	firstDetachPause = 50 * time.Millisecond
)

func (c *connection) removeNetwork(ctx context.Context, id string) error {
	_, err := c.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	return c.translate(ignoreMissing(err))
}

// removeNetworks removes the networks of an enclave whose containers have gone.
func (c *connection) removeNetworks(ctx context.Context, name string) error {
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(ofEnclave(name))})
	if err != nil {
		return fmt.Errorf("list networks: %w", c.translate(err))
	}
	var failures []error
	for _, item := range networks.Items {
		if err := c.emptyAndRemove(ctx, name, item); err != nil {
			failures = append(failures, fmt.Errorf("remove network %s: %w", item.Name, err))
		}
	}
	return errors.Join(failures...)
}

// emptyAndRemove removes a network as soon as the engine lets it. An engine with much to do takes containers off a network
// only some time after it has called them gone, or forgets to, and a creation that was cut off may bring one more.
func (c *connection) emptyAndRemove(ctx context.Context, name string, item network.Summary) error {
	pause := firstDetachPause
	for attempt := 1; ; attempt++ {
		refusal := c.removeNetwork(ctx, item.ID)
		if refusal == nil || !strings.Contains(refusal.Error(), "active endpoints") {
			return refusal
		}
		connected, err := c.detachOwn(ctx, name, item.ID)
		switch {
		case err != nil:
			return errors.Join(refusal, err)
		case len(connected.foreign) > 0:
			return fmt.Errorf("%w: containers that Sundog did not make are connected to it (%s); disconnect them with `docker network disconnect`", refusal, strings.Join(connected.foreign, ", "))
		case attempt < detachAttempts:
		case len(connected.own) > 0:
			return fmt.Errorf("%w: what was made for the enclave itself stays connected to it (%s); end what makes it, then repeat this", refusal, strings.Join(connected.own, ", "))
		default:
			// Seen with Docker 20.10 on a machine with far too much to do, whoever had made the containers.
			return fmt.Errorf("%w: no container is connected to it, but the engine still counts one that is gone; %w", refusal, enclave.ErrRestartEngine)
		}
		select {
		case <-ctx.Done():
			return errors.Join(refusal, ctx.Err())
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// connectedNames names who is connected to a network, sorted.
type connectedNames struct{ own, foreign []string }

// detachOwn takes off a network what belongs to its enclave or to nobody any more, and tells who was connected.
func (c *connection) detachOwn(ctx context.Context, name, id string) (connectedNames, error) {
	var found connectedNames
	inspected, err := c.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	if err != nil {
		return found, c.translate(ignoreMissing(err))
	}
	for container, endpoint := range inspected.Network.Containers {
		holder, err := c.ContainerInspect(ctx, container, client.ContainerInspectOptions{})
		switch {
		case errdefs.IsNotFound(err):
			found.own = append(found.own, endpoint.Name)
			// By force the engine forgets also an endpoint whose container it does not know any more. Where it cannot, the network's
			// removal is refused again, and that is the error that counts.
			_, _ = c.NetworkDisconnect(ctx, id, client.NetworkDisconnectOptions{Container: endpoint.Name, Force: true})
		case err != nil:
			return found, c.translate(err)
		case isOwnService(holder.Container.Config.Labels, name):
			found.own = append(found.own, endpoint.Name)
			if err := c.removeContainer(ctx, container); err != nil {
				return found, fmt.Errorf("remove container %s: %w", endpoint.Name, err)
			}
		default:
			found.foreign = append(found.foreign, endpoint.Name)
		}
	}
	slices.Sort(found.own)
	slices.Sort(found.foreign)
	return found, nil
}

// isOwnService tells whether a container is one of the enclave's services or tasks.
func isOwnService(labels map[string]string, name string) bool {
	role := labels[enclave.LabelRole]
	return labels[enclave.LabelEnclave] == name && (role == roleService || role == roleTask)
}
