package docker

import (
	"context"
	"fmt"
	"sync"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// What many services look at, at the same time, while they are made or removed. What is given is shared and must not be
// changed.

// allContainers lists the containers of all enclaves: host ports are shared by all of them.
func (c *connection) allContainers(ctx context.Context) ([]container.Summary, error) {
	return c.containers.ask(ctx, func(ctx context.Context) ([]container.Summary, error) {
		return c.containersOf(ctx, ofSundog())
	})
}

// volumesOf names the volumes of one service, persistent directories left out: they are the enclave's.
func (c *connection) volumesOf(ctx context.Context, name, service string) ([]string, error) {
	all, err := sharedOf[[]volume.Volume](&c.volumes, name).ask(ctx, func(ctx context.Context) ([]volume.Volume, error) {
		result, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: withLabels(ofEnclave(name), ofRole(roleVolume))})
		if err != nil {
			return nil, fmt.Errorf("list volumes: %w", c.translate(err))
		}
		return result.Items, nil
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range all {
		if item.Labels[enclave.LabelService] == service {
			names = append(names, item.Name)
		}
	}
	return names, nil
}

// sharedState is observeState for those who ask at the same time.
func (c *connection) sharedState(ctx context.Context, name string) (*enclaveState, error) {
	return sharedOf[*enclaveState](&c.states, name).ask(ctx, func(ctx context.Context) (*enclaveState, error) {
		return c.observeState(ctx, name)
	})
}

// sharedOf gives the question about one enclave.
func sharedOf[T any](all *sync.Map, name string) *shared[T] {
	value, _ := all.LoadOrStore(name, new(shared[T]))
	question, _ := value.(*shared[T])
	return question
}
