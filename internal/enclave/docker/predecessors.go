package docker

import (
	"context"
	"net/netip"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

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

// addressIn gives the address that the service had, or another one where that is not to be had any more: at best one that
// was not kept for a service that is away, either.
func (p *predecessors) addressIn(subnet netip.Prefix, gateway netip.Addr, service string) (netip.Addr, error) {
	if subnet.Contains(p.address) && !p.taken.addresses[p.address] {
		return p.address, nil
	}
	if address, err := chooseAddress(subnet, gateway, service, p.taken.avoided()); err == nil {
		return address, nil
	}
	return chooseAddress(subnet, gateway, service, p.taken.addresses)
}
