package docker

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/moby/moby/api/types/system"
)

func TestFirstFreeLeavesOutWhatIsTaken(t *testing.T) {
	t.Parallel()
	seen := &occupied{
		networks: map[string][]netip.Prefix{"bridge": {netip.MustParsePrefix("172.17.0.0/16")}, "other": {netip.MustParsePrefix("172.20.0.0/16")}},
		routes:   []route{{netip.MustParsePrefix("172.19.4.0/24"), "tun0"}},
	}
	if got := fmt.Sprint(firstFree(builtInPools(), seen)[:3]); got != "[172.18.0.0/16 172.21.0.0/16 172.22.0.0/16]" {
		t.Errorf("free are %s", got)
	}
	configured := enginePools(system.Info{DefaultAddressPools: []system.NetworkAddressPool{
		{Base: netip.MustParsePrefix("fd00::/48"), Size: 64},
		{Base: netip.MustParsePrefix("10.0.0.0/8"), Size: 12},
		{Base: netip.MustParsePrefix("10.210.0.7/24"), Size: 26},
	}})
	if got := fmt.Sprint(firstFree(configured, &occupied{})); got != "[10.210.0.0/26 10.210.0.64/26 10.210.0.128/26 10.210.0.192/26]" {
		t.Errorf("free are %s", got)
	}
	if got := firstFree(configured, &occupied{routes: []route{{netip.MustParsePrefix("10.0.0.0/8"), "tun0"}}}); got != nil {
		t.Errorf("all is behind a route, and %v is free", got)
	}
}

// TestDockerHasThesePools: what a real engine chooses is one of the subnets that are taken for its own.
func TestDockerHasThesePools(t *testing.T) {
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	seen, err := backend.lookAround(t.Context(), conn)
	must(t, err)
	info, err := conn.info(t.Context())
	must(t, err)
	chosen, err := conn.engineSubnet(t.Context(), reserveEnclave(t, backend), testOwner, seen)
	must(t, err)
	for _, pool := range enginePools(info) {
		for place := range pool.subnets() {
			if pool.subnet(place) == chosen {
				return
			}
		}
	}
	t.Errorf("the engine chose %s, which is in none of its pools %v", chosen, enginePools(info))
}
