package docker

import (
	"context"
	"fmt"
	"net/netip"
	"os"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

// mostPredicted bounds how many subnets of the engine's pools are tried before the engine itself is asked for one.
const mostPredicted = 8

// builtInPools are what an engine takes subnets from when its daemon.json names no pools.
func builtInPools() []SubnetPool {
	var pools []SubnetPool
	for _, pool := range []struct {
		base string
		bits int
	}{
		{"172.17.0.0/16", 16},
		{"172.18.0.0/16", 16},
		{"172.19.0.0/16", 16},
		{"172.20.0.0/14", 16},
		{"172.24.0.0/14", 16},
		{"172.28.0.0/14", 16},
		{"192.168.0.0/16", 20},
	} {
		pools = append(pools, SubnetPool{Base: netip.MustParsePrefix(pool.base), Bits: pool.bits})
	}
	return pools
}

// enginePools are the pools that an engine takes subnets from, as far as an enclave can live in these.
func enginePools(info system.Info) []SubnetPool {
	if len(info.DefaultAddressPools) == 0 {
		return builtInPools()
	}
	var pools []SubnetPool
	for _, pool := range info.DefaultAddressPools {
		if pool.Base.IsValid() && pool.Base.Addr().Is4() && pool.Size >= max(largestSubnet, pool.Base.Bits()) && pool.Size <= smallestSubnet {
			pools = append(pools, SubnetPool{Base: pool.Base.Masked(), Bits: pool.Size})
		}
	}
	return pools
}

// firstFree gives the first subnets of pools that are free.
func firstFree(pools []SubnetPool, seen *occupied) []netip.Prefix {
	var free []netip.Prefix
	for _, pool := range pools {
		for place := 0; place < pool.subnets() && len(free) < mostPredicted; place++ {
			if subnet := pool.subnet(place); seen.conflict(subnet) == "" {
				free = append(free, subnet)
			}
		}
	}
	return free
}

// predicted gives subnets of the engine's own pools that are free. Asking the engine for one means to make a network and to remove it
// again, which takes as long as all else that an enclave needs. Where the engine's routes are not to be seen, nothing is
// predicted: on another machine, or in a virtual one behind a socket of this one.
func (b *Backend) predicted(ctx context.Context, conn *connection, seen *occupied) ([]netip.Prefix, error) {
	if !seen.allRoutes {
		return nil, nil
	}
	info, err := conn.info(ctx)
	if err != nil {
		return nil, err
	}
	if name, err := os.Hostname(); err != nil || name != info.Name {
		return nil, nil //nolint:nilerr // Without a name of this machine the engine is asked.
	}
	return firstFree(enginePools(info), seen), nil
}

func (c *connection) askInfo(ctx context.Context) (system.Info, error) {
	answer, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return system.Info{}, fmt.Errorf("ask the engine what it is: %w", c.translate(err))
	}
	return answer.Info, nil
}
