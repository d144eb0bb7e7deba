package docker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Host ports are chosen between these, below the ports that systems hand out to outgoing connections by themselves.
const (
	firstHostPort = 20000
	lastHostPort  = 32767
)

// transportTCP and transportUDP are how plan.Port spells transports.
const (
	transportTCP = "TCP"
	transportUDP = "UDP"
)

// hostPort is a port of the user's machine.
type hostPort struct {
	transport string
	number    int
}

// reservations is who has which address and host port. It is read off the labels of containers, which are the one place
// where this is written down; so it needs no file of its own and survives whatever kills us.
type reservations struct {
	addresses map[netip.Addr]bool
	ports     map[hostPort]bool
	// kept are addresses of services that have no container at the moment; they are given away only if nothing else is left.
	kept map[netip.Addr]bool
}

// avoided is what a service that is new should not get.
func (r reservations) avoided() map[netip.Addr]bool {
	all := maps.Clone(r.addresses)
	maps.Copy(all, r.kept)
	return all
}

// reservationsBut collects what containers other than those of one service have: addresses in the same enclave, host
// ports in all.
func reservationsBut(containers []container.Summary, name, service string) reservations {
	taken := reservations{addresses: map[netip.Addr]bool{}, ports: map[hostPort]bool{}}
	for _, item := range containers {
		sameEnclave := item.Labels[enclave.LabelEnclave] == name
		if !isService(item) || (sameEnclave && item.Labels[enclave.LabelService] == service) {
			continue
		}
		if address, err := netip.ParseAddr(item.Labels[labelAddress]); err == nil && sameEnclave {
			taken.addresses[address] = true
		}
		// A label that cannot be read reserves nothing; the engine has the last word when the service is started.
		ports, err := portsOf(item.Labels)
		if err != nil {
			continue
		}
		for _, port := range ports {
			if port.HostPort != 0 {
				taken.ports[hostPort{port.Transport, port.HostPort}] = true
			}
		}
	}
	return taken
}

// hash64 spreads candidates; the parts are told apart by their lengths.
func hash64(parts ...string) uint64 {
	hash := fnv.New64a()
	for _, part := range parts {
		_ = binary.Write(hash, binary.LittleEndian, uint32(len(part))) //nolint:gosec // A hash never fails, a name is never that long.
		_, _ = hash.Write([]byte(part))
	}
	return hash.Sum64()
}

// chooseAddress picks a free address for a service in the lower half of a subnet; the upper half is the engine's own
// (dynamicRange). The first choice hangs on the service's name alone, so a service that comes back gets the same again.
func chooseAddress(subnet netip.Prefix, gateway netip.Addr, service string, taken map[netip.Addr]bool) (netip.Addr, error) {
	first := subnet.Masked().Addr().As4()
	base := binary.BigEndian.Uint32(first[:])
	count := uint32(1) << (32 - subnet.Bits())
	if dynamicRange(subnet).IsValid() {
		count /= 2
	}
	start := uint32(hash64(service) % uint64(count)) //nolint:gosec // The remainder fits.
	for i := range count {
		offset := (start + i) % count
		var bytes [4]byte
		binary.BigEndian.PutUint32(bytes[:], base+offset)
		address := netip.AddrFrom4(bytes)
		// The first address is the network's own, the last one the broadcast address.
		last := offset == uint32(1)<<(32-subnet.Bits())-1
		if offset == 0 || last || address == gateway || taken[address] {
			continue
		}
		return address, nil
	}
	return netip.Addr{}, fmt.Errorf("no address is free in the enclave's subnet %s", subnet)
}

// chooseHostPort picks the host port for a port of a service: a candidate that hangs on names alone, and the next ones
// while it is taken.
func chooseHostPort(name, service string, port plan.Port, taken map[hostPort]bool) (int, error) {
	const count = lastHostPort - firstHostPort + 1
	start := hash64(name, service, port.Transport, strconv.Itoa(port.Number)) % count
	for i := range uint64(count) {
		candidate := firstHostPort + int((start+i)%count)
		if !taken[hostPort{port.Transport, candidate}] {
			return candidate, nil
		}
	}
	return 0, fmt.Errorf("no port between %d and %d is free", firstHostPort, lastHostPort)
}

// allocatePorts gives every port that is to be published its host port: the pinned one, else the one that the service
// had before, else a free one.
func allocatePorts(name string, spec plan.ServiceSpec, before map[string]publishedPort, taken reservations) (map[string]publishedPort, error) {
	ports := map[string]publishedPort{}
	used := maps.Clone(taken.ports)
	for _, id := range slices.Sorted(maps.Keys(spec.Ports)) {
		port := publishedPort{Port: spec.Ports[id]}
		port.Transport = strings.ToUpper(port.Transport)
		if port.Transport == "" {
			port.Transport = transportTCP
		}
		pinned, isPinned := spec.PublicPorts[id]
		if isPinned {
			port.HostPort, port.Pinned = pinned.Number, true
			used[hostPort{port.Transport, port.HostPort}] = true
		}
		ports[id] = port
	}
	for id := range spec.PublicPorts {
		if _, found := ports[id]; !found {
			return nil, fmt.Errorf("public_ports names port %q, which is not among the service's ports (%s)", id, strings.Join(slices.Sorted(maps.Keys(ports)), ", "))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ports)) {
		port := ports[id]
		if port.Pinned || (port.Transport != transportTCP && (port.Transport != transportUDP || !spec.PublishUDP)) {
			continue
		}
		if same := hostPortBefore(before, port); same != 0 && !used[hostPort{port.Transport, same}] {
			port.HostPort = same
		} else {
			var err error
			if port.HostPort, err = chooseHostPort(name, spec.Name, port.Port, used); err != nil {
				return nil, err
			}
		}
		used[hostPort{port.Transport, port.HostPort}] = true
		ports[id] = port
	}
	return ports, nil
}

// hostPortBefore finds the host port that the same port had; it is the number that counts, not the id.
func hostPortBefore(before map[string]publishedPort, port publishedPort) int {
	for _, old := range before {
		if old.Number == port.Number && old.Transport == port.Transport && old.HostPort != 0 && !old.Pinned {
			return old.HostPort
		}
	}
	return 0
}

// errPinnedPort tells that a host port the package asks for is taken.
var errPinnedPort = errors.New("the host port is in use")
