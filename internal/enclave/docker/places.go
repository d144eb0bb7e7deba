package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/container"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// A service that comes back gets the address and the host ports that it had. Usually its name alone tells them, as the
// first choice hangs on it; and as long as there is a container, its labels do. Where another service was in the way of the
// first choice, the place is noted, so that it survives the container too.

// statePlaces is the folder of notes below folderState that holds the places of services that did not get their first choice.
const statePlaces = "places"

// place is what a service keeps.
type place struct {
	Address string `json:"address"`
	// Ports are host ports by port, for example "TCP 8080".
	Ports map[string]int `json:"ports,omitempty"`
}

func placeNote(service string) string { return folderState + "/" + statePlaces + "/" + service }

func portKey(port publishedPort) string { return port.Transport + " " + strconv.Itoa(port.Number) }

func placeOf(address string, ports map[string]publishedPort) place {
	made := place{Address: address, Ports: map[string]int{}}
	for _, port := range ports {
		if port.HostPort != 0 && !port.Pinned {
			made.Ports[portKey(port)] = port.HostPort
		}
	}
	return made
}

// ports gives a place's ports in the form in which labels have them.
func (p place) ports() map[string]publishedPort {
	ports := map[string]publishedPort{}
	for key, number := range p.Ports {
		var port publishedPort
		if _, err := fmt.Sscanf(key, "%s %d", &port.Transport, &port.Number); err == nil {
			port.HostPort = number
			ports[key] = port
		}
	}
	return ports
}

// isFirstChoice tells whether a service would get the same place by its name alone.
func (p place) isFirstChoice(name, service string, subnet netip.Prefix, gateway netip.Addr) bool {
	address, err := chooseAddress(subnet, gateway, service, nil)
	if err != nil || address.String() != p.Address {
		return false
	}
	used := map[hostPort]bool{}
	for _, port := range p.ports() {
		first, err := chooseHostPort(name, service, port.Port, nil)
		if err != nil || first != port.HostPort || used[hostPort{port.Transport, first}] {
			return false
		}
		used[hostPort{port.Transport, first}] = true
	}
	return true
}

// keepPlace notes a service's place unless it is the first choice. Containers of tasks are gone for good when they end.
func (c *connection) keepPlace(ctx context.Context, state *enclaveState, service string, task bool, now place) error {
	if task {
		return nil
	}
	subnet, gateway, err := subnetOf(state.network)
	if err != nil {
		return err
	}
	name := state.enclave.Name
	content, err := json.Marshal(now)
	if err != nil {
		return err
	}
	known, noted := state.places[service]
	before, err := json.Marshal(known)
	if err != nil {
		return err
	}
	if noted && string(before) == string(content) || !noted && now.isFirstChoice(name, service, subnet, gateway) {
		return nil
	}
	return c.writeNotes(ctx, name, note{placeNote(service), content})
}

// readPlaces understands what was noted. What cannot be read is chosen anew.
func readPlaces(files map[string][]byte) map[string]place {
	places := map[string]place{}
	for service, content := range files {
		var noted place
		if err := json.Unmarshal(content, &noted); err == nil {
			places[service] = noted
		}
	}
	return places
}

// keptFor adds what is kept for services of the enclave that have no container at the moment.
func (r reservations) keptFor(state *enclaveState, containers []container.Summary, but string) reservations {
	present := map[string]bool{but: true}
	for _, item := range containers {
		if item.Labels[enclave.LabelEnclave] == state.enclave.Name {
			present[item.Labels[enclave.LabelService]] = true
		}
	}
	r.kept = map[netip.Addr]bool{}
	for service, noted := range state.places {
		if present[service] {
			continue
		}
		if address, err := netip.ParseAddr(noted.Address); err == nil {
			r.kept[address] = true
		}
		for _, port := range noted.ports() {
			r.ports[hostPort{port.Transport, port.HostPort}] = true
		}
	}
	return r
}
