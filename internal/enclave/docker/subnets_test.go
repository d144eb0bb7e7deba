package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func TestParseSubnetPool(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]SubnetPool{
		"":              {},
		"10.210.0.0/16": {Base: netip.MustParsePrefix("10.210.0.0/16"), Bits: 22},
		"10.210.4.0/24": {Base: netip.MustParsePrefix("10.210.4.0/24"), Bits: 24},
	} {
		if got, err := ParseSubnetPool(text, 0); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, wrong := range []struct {
		text string
		size int
		says string
	}{
		{"10.210.0.1/16", 0, "10.210.0.1/16"},
		{"10.210.0.0", 0, "ADDRESS/LENGTH"},
		{"fd00::/48", 0, "IPv4"},
		{"", 24, "pool"},
		{"10.210.0.0/24", 20, "/20"},
		{"10.0.0.0/8", 12, "/16"},
		{"10.0.0.0/8", 30, "/28"},
	} {
		if _, err := ParseSubnetPool(wrong.text, wrong.size); err == nil || !strings.Contains(err.Error(), wrong.says) {
			t.Errorf("%q, %d: got error %v, want one that mentions %q", wrong.text, wrong.size, err, wrong.says)
		}
	}
}

func TestPoolSubnetsLeaveOutWhatIsTaken(t *testing.T) {
	t.Parallel()
	pool, err := ParseSubnetPool("10.210.0.0/16", 18)
	if err != nil {
		t.Fatal(err)
	}
	seen := &occupied{
		networks: map[string][]netip.Prefix{"other": {netip.MustParsePrefix("10.210.64.0/20")}},
		routes: []route{
			{netip.MustParsePrefix("10.210.130.7/32"), "tun0"},
			// A VPN that takes all traffic must not forbid everything.
			{netip.MustParsePrefix("0.0.0.0/1"), "tun1"},
			{netip.MustParsePrefix("0.0.0.0/0"), "eth0"},
		},
	}
	free := poolSubnets(pool, "dev", seen)
	if slices.SortFunc(free, netip.Prefix.Compare); fmt.Sprint(free) != "[10.210.0.0/18 10.210.192.0/18]" {
		t.Errorf("free are %v", free)
	}
	if first := poolSubnets(pool, "dev", &occupied{}); len(first) != 4 || first[0] != poolSubnets(pool, "dev", &occupied{})[0] {
		t.Errorf("%v", first)
	}
	text := poolExhausted(pool, seen).Error()
	for _, want := range []string{"10.210.0.0/16", "10.210.130.7/32", "tun0", "subnet_pool", "sundog enclave rm"} {
		if !strings.Contains(text, want) {
			t.Errorf("error does not mention %q: %s", want, text)
		}
	}
}

// TestMachineRoutesAreRead compares with what the system shows of its main table.
func TestMachineRoutesAreRead(t *testing.T) {
	t.Parallel()
	routes, err := machineRoutes()
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range routes {
		if !found.destination.IsValid() || !found.destination.Addr().Is4() || found.destination.Addr().IsLoopback() || found.device == "" {
			t.Errorf("read the route %+v", found)
		}
	}
	for _, want := range mainTable(t) {
		if !slices.ContainsFunc(routes, func(r route) bool { return r.destination == want.destination && r.device == want.device }) {
			t.Errorf("no route to %s through %s among %v", want.destination, want.device, routes)
		}
	}
}

// withPool is a backend on the same engine whose enclaves get subnets of a pool.
func withPool(t *testing.T, direct *Backend, text string, size int) *Backend {
	t.Helper()
	pool, err := ParseSubnetPool(text, size)
	must(t, err)
	backend := New(Options{Host: connectionOf(t, direct).endpoint.Host, Subnets: pool})
	t.Cleanup(func() { must(t, backend.Close()) })
	return backend
}

func enclaveSubnet(t *testing.T, conn *connection, name string) netip.Prefix {
	t.Helper()
	found, err := conn.NetworkInspect(t.Context(), networkName(name), client.NetworkInspectOptions{})
	must(t, err)
	return found.Network.IPAM.Config[0].Subnet
}

// TestDockerCutsNetworksOutOfAPool makes as many enclaves at once as a pool has subnets, and one more.
func TestDockerCutsNetworksOutOfAPool(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	const pool, count = "10.213.77.0/25", 8
	backend := withPool(t, direct, pool, 28)
	var group sync.WaitGroup
	names := make([]string, count)
	for i := range names {
		names[i] = reserveEnclave(t, direct)
		group.Go(func() {
			if _, err := backend.CreateEnclave(context.WithoutCancel(t.Context()), enclave.Spec{Name: names[i], Owner: testOwner}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	seen := map[netip.Prefix]bool{}
	for _, name := range names {
		subnet := enclaveSubnet(t, connectionOf(t, direct), name)
		if seen[subnet] || !netip.MustParsePrefix(pool).Overlaps(subnet) || subnet.Bits() != 28 {
			t.Errorf("enclave %s has the subnet %s", name, subnet)
		}
		seen[subnet] = true
	}
	further := reserveEnclave(t, direct)
	_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: further, Owner: testOwner})
	mentions(t, err, further, pool, "none of the 8", "subnet_pool", "sundog enclave rm")
	// What was removed is free again, and its subnet comes back.
	gone := names[3]
	before := enclaveSubnet(t, connectionOf(t, direct), gone)
	must(t, backend.RemoveEnclave(t.Context(), gone))
	_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: gone, Owner: testOwner})
	must(t, err)
	if after := enclaveSubnet(t, connectionOf(t, direct), gone); after != before {
		t.Errorf("the enclave has the subnet %s, want again %s", after, before)
	}
}

// TestDockerAvoidsRoutes gives out subnets that the machine has other routes to.
func TestDockerAvoidsRoutes(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	conn := connectionOf(t, direct)
	t.Run("in a pool", func(t *testing.T) {
		t.Parallel()
		backend := withPool(t, direct, "10.213.78.0/27", 28)
		backend.routes = func() ([]route, error) {
			return []route{{netip.MustParsePrefix("10.213.78.3/32"), "wg0"}}, nil
		}
		name, second := reserveEnclave(t, direct), reserveEnclave(t, direct)
		_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
		must(t, err)
		if subnet := enclaveSubnet(t, conn, name); subnet.String() != "10.213.78.16/28" {
			t.Errorf("the enclave has the subnet %s", subnet)
		}
		_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: second, Owner: testOwner})
		mentions(t, err, "10.213.78.3/32", "wg0", "10.213.78.0/27")
	})
	t.Run("in the engine's own pools", func(t *testing.T) {
		t.Parallel()
		backend := New(Options{Host: conn.endpoint.Host})
		t.Cleanup(func() { must(t, backend.Close()) })
		name := reserveEnclave(t, direct)
		// What the engine offers first is taken by a route of a table that it does not look at.
		probe, err := conn.engineSubnet(t.Context(), name, testOwner, &occupied{})
		must(t, err)
		backend.routes = func() ([]route, error) { return []route{{probe, "tailscale0"}}, nil }
		_, err = backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
		must(t, err)
		if subnet := enclaveSubnet(t, conn, name); subnet.Overlaps(probe) {
			t.Errorf("the enclave has the subnet %s, which overlaps with %s", subnet, probe)
		}
		networks, err := conn.NetworkList(t.Context(), client.NetworkListOptions{Filters: withLabels(ofEnclave(name))})
		must(t, err)
		if len(networks.Items) != 1 {
			t.Errorf("there are %d networks, want 1", len(networks.Items))
		}
	})
}

// TestDockerTellsThatItsPoolsAreUsedUp puts the engine's words in its mouth, as using its pools up would rob others of them.
func TestDockerTellsThatItsPoolsAreUsedUp(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	for _, text := range []string{
		"could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
		"all predefined address pools have been fully subnetted",
	} {
		gate := newGate(t, direct, 0, nil)
		gate.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/networks/create") {
				return false
			}
			http.Error(w, `{"message":"`+text+`"}`, http.StatusInternalServerError)
			return true
		}
		backend := New(Options{Host: gate.Host})
		name := reserveEnclave(t, direct)
		_, err := backend.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
		mentions(t, err, name, text, "subnet_pool", "SUNDOG_DOCKER_SUBNET_POOL", "default-address-pools", "sundog enclave rm")
		must(t, errors.Join(backend.Close()))
	}
}
