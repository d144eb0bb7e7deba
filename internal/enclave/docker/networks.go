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
func (b *Backend) completeNetwork(ctx context.Context, conn *connection, name, owner string) error {
	found, err := conn.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(ofEnclave(name))})
	if err != nil {
		return conn.translate(err)
	}
	var networks []network.Summary
	for _, item := range found.Items {
		if item.Labels[enclave.LabelRole] == roleNetwork {
			networks = append(networks, item)
			continue
		}
		if err := conn.removeNetwork(ctx, item.ID); err != nil {
			return err
		}
	}
	if len(networks) > 0 {
		return conn.removeNetworkTwins(ctx, name, networks)
	}
	if err := b.createNetwork(ctx, conn, name, owner); err != nil {
		return err
	}
	// The engine may have been at work for a process that was killed while it made this very network: it goes on with what it
	// was asked for, and does not mind two networks of one name.
	networks, err = conn.networksOf(ctx, name)
	if err != nil {
		return err
	}
	return conn.removeNetworkTwins(ctx, name, networks)
}

// removeNetworkTwins leaves one of several networks that an enclave has: containers join theirs by its name, so the engine
// refuses to start any as long as there are two.
func (c *connection) removeNetworkTwins(ctx context.Context, name string, networks []network.Summary) error {
	if len(networks) < 2 {
		return nil
	}
	kept := oldestNetwork(networks).ID
	for _, item := range networks {
		if item.ID == kept {
			continue
		}
		if err := c.removeNetwork(ctx, item.ID); err != nil {
			return fmt.Errorf("enclave %q has two networks of the name %s, and one cannot be removed: %w", name, item.Name, err)
		}
	}
	return nil
}

// networkAttempts bounds how often a subnet is chosen that somebody else takes in the same moment.
const networkAttempts = 10

// createNetwork makes the network with a subnet that is free. The engine has the last word: somebody else may take a subnet
// between the question and the answer, and is not among the networks before it has got it.
func (b *Backend) createNetwork(ctx context.Context, conn *connection, name, owner string) error {
	var lastError error
	for attempt := range networkAttempts {
		seen, err := b.lookAround(ctx, conn)
		if err != nil {
			return err
		}
		free, err := b.freeSubnets(ctx, conn, name, owner, seen, attempt == 0)
		if err != nil {
			return err
		}
		for _, subnet := range free {
			if lastError = conn.takeSubnet(ctx, name, owner, subnet); lastError == nil {
				return nil
			}
			if isGatewayTaken(lastError) {
				// The engine may be at work for a process that was killed while it made this very network.
				if made, err := conn.networksOf(ctx, name); len(made) > 0 || err != nil {
					return err
				}
			} else if !strings.Contains(lastError.Error(), "overlap") && !isExhausted(lastError) {
				return lastError
			}
		}
	}
	return lastError
}

// isGatewayTaken tells that somebody else takes the same subnet at this moment: before the engine finds that two networks
// overlap, it finds that both want the same address for their gateway.
func isGatewayTaken(err error) bool {
	return strings.Contains(err.Error(), "failed to allocate gateway")
}

// networksOf lists an enclave's network, and its twins should there be any.
func (c *connection) networksOf(ctx context.Context, name string) ([]network.Summary, error) {
	found, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(ofEnclave(name), ofRole(roleNetwork))})
	return found.Items, c.translate(err)
}

func (c *connection) takeSubnet(ctx context.Context, name, owner string, subnet netip.Prefix) error {
	_, err := c.NetworkCreate(ctx, networkName(name), client.NetworkCreateOptions{
		Driver: "bridge", Labels: objectLabels(name, roleNetwork, map[string]string{enclave.LabelOwner: owner}),
		IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet, Gateway: subnet.Masked().Addr().Next(), IPRange: dynamicRange(subnet)}}},
	})
	return c.translate(err)
}

// freeSubnets gives subnets to try, at least one. At first they are taken from the engine's own pools without asking it.
func (b *Backend) freeSubnets(ctx context.Context, conn *connection, name, owner string, seen *occupied, first bool) ([]netip.Prefix, error) {
	if b.pool.isZero() {
		if first {
			if free, err := b.predicted(ctx, conn, seen); err != nil || len(free) > 0 {
				return free, err
			}
		}
		subnet, err := conn.engineSubnet(ctx, name, owner, seen)
		return []netip.Prefix{subnet}, err
	}
	free := poolSubnets(b.pool, name, seen)
	if len(free) == 0 {
		return nil, poolExhausted(b.pool, seen)
	}
	return free, nil
}

// engineSubnet lets the engine choose a subnet from its own pools: it makes a network, reads what it got, and removes it
// again. Docker gives fixed addresses only in networks whose subnet was stated. The engine looks at the main table of
// routes alone; what overlaps with another route is kept until a better one is found, so that it is not offered again.
func (c *connection) engineSubnet(ctx context.Context, name, owner string, seen *occupied) (subnet netip.Prefix, err error) {
	var probes []string
	defer func() {
		detached, cancel := detach(ctx)
		defer cancel()
		for _, probe := range probes {
			err = errors.Join(err, c.removeNetwork(detached, probe))
		}
	}()
	refused := ""
	for {
		created, err := c.NetworkCreate(ctx, networkName(name)+"_probe", client.NetworkCreateOptions{
			Driver: "bridge", Labels: objectLabels(name, roleProbe, map[string]string{enclave.LabelOwner: owner}),
		})
		if err != nil {
			err = c.translate(err)
			if isExhausted(err) {
				err = enginePoolsExhausted(err, seen)
			}
			if refused != "" {
				err = fmt.Errorf("%w (%s)", err, refused)
			}
			return subnet, err
		}
		probes = append(probes, created.ID)
		if subnet, err = c.subnetOfNetwork(ctx, created.ID); err != nil {
			return subnet, err
		}
		reason := seen.routed(subnet)
		if reason == "" {
			return subnet, nil
		}
		refused = fmt.Sprintf("%s overlaps with %s", subnet, reason)
	}
}

func (c *connection) subnetOfNetwork(ctx context.Context, id string) (netip.Prefix, error) {
	inspected, err := c.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	if err != nil {
		return netip.Prefix{}, c.translate(err)
	}
	for _, item := range inspected.Network.IPAM.Config {
		if item.Subnet.Addr().Is4() {
			return item.Subnet, nil
		}
	}
	return netip.Prefix{}, errors.New("the engine gave the network no IPv4 subnet")
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
