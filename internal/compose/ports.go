package compose

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// applications are the protocols that ports are known for.
var applications = map[uint32]string{80: "http", 443: "https", 8000: "http", 8080: "http"}

// ports makes ports and public_ports. A Compose file has no word for when a port is open. A service with a healthcheck is
// ready when that says so, and one that comes to an end need not open any; every other service is awaited at the ports
// that it publishes, as upstream does it, because whoever uses the environment right after it was made would otherwise
// meet closed doors. Ports that are only exposed are remarks, and not awaited.
func (c *converter) ports(s *service) {
	awaited := !hasHealthCheck(&s.ServiceConfig) && !s.job
	var ports, public dict
	listed, ids := map[string]bool{}, map[string]bool{}
	for i, port := range s.Ports {
		at := s.at("ports", strconv.Itoa(i))
		id := portID(port.Name, ids, "port"+strconv.Itoa(i))
		transport := transportOf(port.Protocol)
		application := port.AppProtocol
		if application == "" && transport == "TCP" {
			application = applications[port.Target]
		}
		ports = append(ports, entry{id, portSpec(int64(port.Target), transport, application, awaited)})
		listed[key(port.Target, transport)] = true
		if published := c.published(s, at, port); published > 0 {
			public = append(public, entry{id, portSpec(published, transport, "", true)})
		}
	}
	for i, text := range s.Expose {
		first, last, protocol := parseExposed(text)
		if first == 0 {
			c.warn(s.at("expose", strconv.Itoa(i)), "%q is no port", text)
			continue
		}
		for target := first; target <= last; target++ {
			transport := transportOf(protocol)
			if listed[key(target, transport)] {
				continue
			}
			listed[key(target, transport)] = true
			id := portID("", ids, "expose"+strconv.Itoa(len(ids)))
			application := ""
			if transport == "TCP" {
				application = applications[target]
			}
			ports = append(ports, entry{id, portSpec(int64(target), transport, application, false)})
		}
	}
	if len(ports) > 0 {
		s.config.add("ports", ports)
	}
	if len(public) > 0 {
		s.config.add("public_ports", public)
	}
}

func key(target uint32, transport string) string {
	return strconv.FormatUint(uint64(target), 10) + transport
}

// portIDPattern is what the id of a port looks like.
var portIDPattern = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$`)

// portID takes the name that a port was given, if it can be an id.
func portID(name string, taken map[string]bool, otherwise string) string {
	if len(name) > maxPortID || !portIDPattern.MatchString(name) || taken[name] {
		name = otherwise
	}
	taken[name] = true
	return name
}

func transportOf(protocol string) string {
	if protocol == "" {
		return "TCP"
	}
	return strings.ToUpper(protocol)
}

func portSpec(target int64, transport, application string, awaited bool) call {
	spec := call{function: "PortSpec"}
	spec.add("number", number(target))
	if transport != "TCP" {
		spec.add("transport_protocol", quoted(transport))
	}
	if application != "" {
		spec.add("application_protocol", quoted(application))
	}
	if !awaited {
		spec.add("wait", word("None"))
	}
	return spec
}

// published gives the port of the host that a port of a service is fixed to; 0 if it is free.
func (c *converter) published(s *service, at []string, port types.ServicePortConfig) int64 {
	if port.HostIP != "" {
		if address, err := netip.ParseAddr(port.HostIP); err != nil || !address.IsLoopback() {
			c.warn(at, "it is published on the machine's own address 127.0.0.1 only, not on %s", port.HostIP)
		}
	}
	if port.Published == "" || port.Published == "0" {
		return 0
	}
	number, err := strconv.ParseUint(port.Published, 10, 16)
	switch {
	case err != nil:
		c.warn(at, "the host's port is any free one, not one out of %s", port.Published)
		return 0
	case s.GetScale() > 1:
		c.warn(at, "the service has replicas, which cannot share the host's port %d: each gets a free one", number)
		return 0
	}
	return int64(number)
}

// publishesUDP tells whether a port must be published that is not published by itself.
func (s *service) publishesUDP() bool {
	for _, port := range s.Ports {
		if transportOf(port.Protocol) == "UDP" {
			return true
		}
	}
	return false
}

// parseExposed reads port, port/protocol and first-last.
func parseExposed(text string) (first, last uint32, protocol string) {
	numbers, protocol, _ := strings.Cut(text, "/")
	low, high, isRange := strings.Cut(numbers, "-")
	if !isRange {
		high = low
	}
	from, err := strconv.ParseUint(low, 10, 16)
	if err != nil {
		return 0, 0, ""
	}
	to, err := strconv.ParseUint(high, 10, 16)
	if err != nil || to < from || protocol != "" && protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return 0, 0, ""
	}
	return uint32(from), uint32(to), protocol
}
