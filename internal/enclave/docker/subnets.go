package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// defaultSubnetBits is the size of an enclave's subnet from a configured pool: 1,022 addresses, half of them for services.
const defaultSubnetBits = 22

// The largest and the smallest subnet that an enclave can live in.
const (
	largestSubnet  = 16
	smallestSubnet = 28
)

// SubnetPool is where the subnets of enclaves come from. Its zero value means the engine's own pools.
type SubnetPool struct {
	// Base is what is cut into subnets.
	Base netip.Prefix
	// Bits is the size of one subnet, as the length of its prefix.
	Bits int
}

// ParseSubnetPool reads a pool of subnets, for example 10.210.0.0/16. Size is the length of the prefix of one subnet, 0
// means the default: /22, or the whole pool where it is smaller. An empty text is the engine's own choice.
func ParseSubnetPool(text string, size int) (SubnetPool, error) {
	if text == "" {
		if size != 0 {
			return SubnetPool{}, errors.New("a subnet size needs a subnet pool, for example 10.210.0.0/16")
		}
		return SubnetPool{}, nil
	}
	base, err := netip.ParsePrefix(text)
	if err != nil || !base.Addr().Is4() || base != base.Masked() {
		return SubnetPool{}, fmt.Errorf("subnet pool %q is no IPv4 network in the form ADDRESS/LENGTH with no bits beyond the length, for example 10.210.0.0/16", text)
	}
	if size == 0 {
		size = max(defaultSubnetBits, base.Bits())
	}
	if size < base.Bits() || size < largestSubnet || size > smallestSubnet {
		return SubnetPool{}, fmt.Errorf("subnets of size /%d cannot be taken from the pool %s: give a size between /%d and /%d", size, base, max(base.Bits(), largestSubnet), smallestSubnet)
	}
	return SubnetPool{Base: base, Bits: size}, nil
}

func (p SubnetPool) isZero() bool { return p == SubnetPool{} }

// subnets is how many there are in the pool.
func (p SubnetPool) subnets() int { return 1 << (p.Bits - p.Base.Bits()) }

// subnet gives the one at a place.
func (p SubnetPool) subnet(place int) netip.Prefix {
	return netip.PrefixFrom(plus(p.Base.Addr(), place<<(32-p.Bits)), p.Bits)
}

func plus(address netip.Addr, count int) netip.Addr {
	bytes := address.As4()
	number := uint32(bytes[0])<<24 | uint32(bytes[1])<<16 | uint32(bytes[2])<<8 | uint32(bytes[3])
	number += uint32(count) //nolint:gosec // It stays within the pool.
	return netip.AddrFrom4([4]byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)})
}

// occupied is what an enclave's subnet must not overlap with: other networks of the engine, and what the machine reaches
// otherwise.
type occupied struct {
	networks map[string][]netip.Prefix // by name
	enclaves int                       // how many of the networks are enclaves'
	routes   []route
	// allRoutes tells that the routes of the engine's machine are known.
	allRoutes bool
}

// route is a destination that the machine reaches by itself.
type route struct {
	destination netip.Prefix
	device      string
}

// widestRoute is the shortest prefix of a route that counts: shorter ones, as those of a VPN that takes all traffic, overlap
// with everything.
const widestRoute = 8

// conflict tells in words what a subnet overlaps with; empty means nothing.
func (o *occupied) conflict(subnet netip.Prefix) string {
	for name, prefixes := range o.networks {
		for _, prefix := range prefixes {
			if prefix.Overlaps(subnet) {
				return fmt.Sprintf("%s of the network %s", prefix, name)
			}
		}
	}
	return o.routed(subnet)
}

// routed tells in words which route of the machine a subnet overlaps with.
func (o *occupied) routed(subnet netip.Prefix) string {
	for _, route := range o.routes {
		if route.destination.Bits() >= widestRoute && route.destination.Overlaps(subnet) {
			return fmt.Sprintf("the route to %s through %s", route.destination, route.device)
		}
	}
	return ""
}

// lookAround finds out what is occupied. Routes are known where the engine runs on this machine.
func (b *Backend) lookAround(ctx context.Context, conn *connection) (*occupied, error) {
	found, err := conn.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", conn.translate(err))
	}
	seen := &occupied{networks: map[string][]netip.Prefix{}}
	for _, item := range found.Items {
		for _, pool := range item.IPAM.Config {
			seen.networks[item.Name] = append(seen.networks[item.Name], pool.Subnet)
		}
		if item.Labels[enclave.LabelManagedBy] == enclave.ManagedBy && item.Labels[enclave.LabelRole] == roleNetwork {
			seen.enclaves++
		}
	}
	if !conn.endpoint.isLocal() {
		return seen, nil
	}
	routes, err := b.routes()
	if err != nil {
		b.logger.Warn("the routes of this machine cannot be read, so an enclave's network may overlap with one of them", "error", err)
	}
	seen.allRoutes = err == nil
	for _, item := range routes {
		// The engine's own networks are known already; one that is just being removed is no reason to go elsewhere.
		if !engineDevice.MatchString(item.device) {
			seen.routes = append(seen.routes, item)
		}
	}
	return seen, nil
}

// engineDevice is what the engine calls the bridges of its networks.
var engineDevice = regexp.MustCompile(`^(docker0|br-[0-9a-f]{12})$`)

// isLocal tells whether the engine listens on a socket of this machine.
func (e endpoint) isLocal() bool { return strings.HasPrefix(e.Host, "unix://") }

// mostCandidates bounds how many free subnets are found: a pool may have a million.
const mostCandidates = 64

// poolSubnets gives subnets of a pool that are free. The first one hangs on the enclave's name, so that an enclave which
// comes back gets the same again where it can.
func poolSubnets(pool SubnetPool, name string, seen *occupied) []netip.Prefix {
	count := pool.subnets()
	start := int(hash64(name) % uint64(count)) //nolint:gosec // The remainder fits.
	var free []netip.Prefix
	for i := 0; i < count && len(free) < mostCandidates; i++ {
		if subnet := pool.subnet((start + i) % count); seen.conflict(subnet) == "" {
			free = append(free, subnet)
		}
	}
	return free
}

// poolExhausted says why a configured pool has nothing left, and what to do.
func poolExhausted(pool SubnetPool, seen *occupied) error {
	reasons := map[string]bool{}
	for place := range pool.subnets() {
		if reason := seen.routed(pool.subnet(place)); reason != "" {
			reasons[reason] = true
		}
	}
	text := ""
	if len(reasons) > 0 {
		routes := make([]string, 0, len(reasons))
		for reason := range reasons {
			routes = append(routes, reason)
		}
		slices.Sort(routes)
		text = ", and some are kept free for " + strings.Join(routes, ", ")
	}
	return fmt.Errorf("none of the %d subnets of size /%d in the pool %s is free (%d enclaves are on the engine%s): remove enclaves that are not needed (`sundog enclave rm`), or name a larger pool, or one that this machine has no other routes to (docker.subnet_pool in the provider block, SUNDOG_DOCKER_SUBNET_POOL)",
		pool.subnets(), pool.Bits, pool.Base, seen.enclaves, text)
}

// enginePoolsExhausted says the same of the engine's own pools.
func enginePoolsExhausted(cause error, seen *occupied) error {
	return fmt.Errorf("the engine's own address pools have no subnet left (%d networks are on the engine, %d of them enclaves'): remove enclaves that are not needed (`sundog enclave rm`), name a pool of your own (docker.subnet_pool in the provider block, SUNDOG_DOCKER_SUBNET_POOL, for example 10.210.0.0/16), or add to default-address-pools in the engine's daemon.json: %w",
		len(seen.networks), seen.enclaves, cause)
}

// isExhausted recognises the engine's ways of saying that its pools are used up.
func isExhausted(err error) bool {
	text := err.Error()
	return strings.Contains(text, "available, non-overlapping IPv4 address pool") || strings.Contains(text, "predefined address pools have been fully subnetted")
}
