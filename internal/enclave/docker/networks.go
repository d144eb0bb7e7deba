package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// completeNetwork makes an enclave's network unless it is there, and removes what a killed attempt left. The caller
// holds the enclave's lock of creation.
func (c *connection) completeNetwork(ctx context.Context, name, owner string) error {
	found, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(ofEnclave(name))})
	if err != nil {
		return c.translate(err)
	}
	var networks []network.Summary
	for _, item := range found.Items {
		if item.Labels[enclave.LabelRole] == roleNetwork {
			networks = append(networks, item)
			continue
		}
		if err := c.removeNetwork(ctx, item.ID); err != nil {
			return err
		}
	}
	if len(networks) > 0 {
		return nil
	}
	labels := objectLabels(name, roleNetwork, map[string]string{enclave.LabelOwner: owner})
	var lastError error
	for range 10 {
		subnet, err := c.freeSubnet(ctx, name, owner)
		if err != nil {
			return err
		}
		_, err = c.NetworkCreate(ctx, networkName(name), client.NetworkCreateOptions{
			Driver: "bridge", Labels: labels,
			IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet, Gateway: subnet.Masked().Addr().Next(), IPRange: dynamicRange(subnet)}}},
		})
		if err == nil {
			return nil
		}
		if !strings.Contains(err.Error(), "overlap") {
			return c.translate(err)
		}
		// Somebody else took the subnet between the question and the answer.
		lastError = c.translate(err)
	}
	return lastError
}

// freeSubnet lets the engine choose a subnet from its own pools: it makes a network, reads what it got, and removes it
// again. Docker gives fixed addresses only in networks whose subnet was stated.
func (c *connection) freeSubnet(ctx context.Context, name, owner string) (subnet netip.Prefix, err error) {
	created, err := c.NetworkCreate(ctx, networkName(name)+"_probe", client.NetworkCreateOptions{
		Driver: "bridge", Labels: objectLabels(name, roleProbe, map[string]string{enclave.LabelOwner: owner}),
	})
	if err != nil {
		if text := err.Error(); strings.Contains(text, "available") && strings.Contains(text, "pool") {
			return subnet, fmt.Errorf("%w: each enclave takes one of the engine's subnets, so remove networks that are not needed, or add to default-address-pools in the engine's daemon.json", c.translate(err))
		}
		return subnet, c.translate(err)
	}
	defer func() {
		detached, cancel := detach(ctx)
		defer cancel()
		if removeErr := c.removeNetwork(detached, created.ID); err == nil {
			err = removeErr
		}
	}()
	inspected, err := c.NetworkInspect(ctx, created.ID, client.NetworkInspectOptions{})
	if err != nil {
		return subnet, c.translate(err)
	}
	for _, item := range inspected.Network.IPAM.Config {
		if item.Subnet.Addr().Is4() {
			return item.Subnet, nil
		}
	}
	return subnet, errors.New("the engine gave the network no IPv4 subnet")
}

// dynamicRange is the upper half of a subnet: containers that somebody attaches without asking for an address get one
// there, so that they never take the address of a service that is stopped just then.
func dynamicRange(subnet netip.Prefix) netip.Prefix {
	if subnet.Bits() > 28 {
		return netip.Prefix{}
	}
	bytes := subnet.Masked().Addr().As4()
	bit := subnet.Bits()
	bytes[bit/8] |= 1 << (7 - bit%8)
	return netip.PrefixFrom(netip.AddrFrom4(bytes), bit+1)
}

func (c *connection) removeNetwork(ctx context.Context, id string) error {
	_, err := c.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	return c.translate(ignoreMissing(err))
}

// oldestNetwork picks one deterministically, should there be several.
func oldestNetwork(networks []network.Summary) network.Summary {
	return slices.MinFunc(networks, func(a, b network.Summary) int {
		if order := a.Created.Compare(b.Created); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// subnetOf is the IPv4 subnet of an enclave's network and its gateway.
func subnetOf(item network.Summary) (subnet netip.Prefix, gateway netip.Addr, err error) {
	for _, pool := range item.IPAM.Config {
		if pool.Subnet.Addr().Is4() {
			return pool.Subnet, pool.Gateway, nil
		}
	}
	return subnet, gateway, fmt.Errorf("network %s has no IPv4 subnet", item.Name)
}
