package packagerun

import (
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// service is one element of the attribute services.
type service struct {
	Image, Status, Hostname, IPAddress, Digest types.String
	Ports                                      map[string]port
}

// port is one element of a service's ports.
type port struct {
	Number                 types.Int64
	Transport, Application types.String
	URL, Host              types.String
	HostPort               types.Int64
}

func portType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"number": types.Int64Type, "transport_protocol": types.StringType, "application_protocol": types.StringType,
		"url": types.StringType, "host": types.StringType, "host_port": types.Int64Type,
	}}
}

func serviceType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"image": types.StringType, "status": types.StringType, "hostname": types.StringType, "ip_address": types.StringType,
		"digest": types.StringType, "ports": types.MapType{ElemType: portType()},
	}}
}

func (p port) value() attr.Value {
	return types.ObjectValueMust(portType().AttrTypes, map[string]attr.Value{
		"number": p.Number, "transport_protocol": p.Transport, "application_protocol": p.Application,
		"url": p.URL, "host": p.Host, "host_port": p.HostPort,
	})
}

func (s service) value() attr.Value {
	ports := make(map[string]attr.Value, len(s.Ports))
	for id, p := range s.Ports {
		ports[id] = p.value()
	}
	return types.ObjectValueMust(serviceType().AttrTypes, map[string]attr.Value{
		"image": s.Image, "status": s.Status, "hostname": s.Hostname, "ip_address": s.IPAddress, "digest": s.Digest,
		"ports": types.MapValueMust(portType(), ports),
	})
}

// servicesValue builds the attribute services.
func servicesValue(services map[string]service) types.Map {
	elements := make(map[string]attr.Value, len(services))
	for name, s := range services {
		elements[name] = s.value()
	}
	return types.MapValueMust(serviceType(), elements)
}

// readServices takes the attribute services apart; a null or unknown one has none.
func readServices(m types.Map) map[string]service {
	services := make(map[string]service, len(m.Elements()))
	for name, element := range m.Elements() {
		object, ok := element.(basetypes.ObjectValue)
		if !ok || object.IsNull() || object.IsUnknown() {
			continue
		}
		attributes := object.Attributes()
		s := service{
			Image: text(attributes["image"]), Status: text(attributes["status"]), Hostname: text(attributes["hostname"]),
			IPAddress: text(attributes["ip_address"]), Digest: text(attributes["digest"]), Ports: map[string]port{},
		}
		if ports, ok := attributes["ports"].(basetypes.MapValue); ok {
			for id, element := range ports.Elements() {
				if object, ok := element.(basetypes.ObjectValue); ok && !object.IsNull() && !object.IsUnknown() {
					s.Ports[id] = readPort(object)
				}
			}
		}
		services[name] = s
	}
	return services
}

func readPort(object basetypes.ObjectValue) port {
	attributes := object.Attributes()
	return port{
		Number: whole(attributes["number"]), Transport: text(attributes["transport_protocol"]),
		Application: text(attributes["application_protocol"]), URL: text(attributes["url"]), Host: text(attributes["host"]),
		HostPort: whole(attributes["host_port"]),
	}
}

func text(v attr.Value) types.String {
	if s, ok := v.(basetypes.StringValue); ok {
		return s
	}
	return types.StringNull()
}

func whole(v attr.Value) types.Int64 {
	if n, ok := v.(basetypes.Int64Value); ok {
		return n
	}
	return types.Int64Null()
}

// observed is a service as the engine reports it. A stopped container has no address on some engines, but keeps it for
// its next start: known is the state's view, which fills such gaps.
func observed(found engine.Service, known service) service {
	s := service{
		Image: value.StringOrNull(found.Image), Status: types.StringValue(found.Status),
		Hostname: orElse(value.StringOrNull(found.Hostname), known.Hostname),
		Digest:   known.Digest, Ports: make(map[string]port, len(found.Ports)),
	}
	gone := found.Status == "missing"
	if s.IPAddress = value.StringOrNull(found.IPAddress); !gone {
		s.IPAddress = orElse(s.IPAddress, known.IPAddress)
	}
	if found.Image == "" {
		s.Image = orElse(s.Image, known.Image)
	}
	for id, published := range found.Ports {
		s.Ports[id] = observedPort(published, known.Ports[id], gone)
	}
	if gone && len(s.Ports) == 0 {
		s.Ports = maps.Clone(known.Ports)
	}
	return s
}

func observedPort(published backend.PublishedPort, known port, gone bool) port {
	p := port{
		Number: types.Int64Value(int64(published.Number)), Transport: types.StringValue(published.Transport),
		Application: value.StringOrNull(published.Application), Host: value.StringOrNull(published.Host),
	}
	if published.HostPort == 0 {
		if !gone {
			p.Host, p.HostPort, p.URL = orElse(p.Host, known.Host), known.HostPort, orElse(types.StringNull(), known.URL)
		}
		return p
	}
	p.HostPort = types.Int64Value(int64(published.HostPort))
	p.URL = value.StringOrNull(published.HostURL())
	return p
}

func orElse(v, fallback types.String) types.String {
	if v.IsNull() && !fallback.IsUnknown() {
		return fallback
	}
	return v
}

// settle fills what was unknown in the plan with what is now known. Known planned values stay: the CLIs insist on it, and
// the next refresh corrects them if something has changed since.
func settle(planned, now service) service {
	planned.Image = known(planned.Image, now.Image)
	planned.Status = known(planned.Status, now.Status)
	planned.Hostname = known(planned.Hostname, now.Hostname)
	planned.IPAddress = known(planned.IPAddress, now.IPAddress)
	planned.Digest = known(planned.Digest, now.Digest)
	ports := make(map[string]port, len(planned.Ports))
	for id, p := range planned.Ports {
		actual := now.Ports[id]
		p.URL, p.Host = known(p.URL, actual.URL), known(p.Host, actual.Host)
		if p.HostPort.IsUnknown() {
			p.HostPort = actual.HostPort
		}
		ports[id] = p
	}
	planned.Ports = ports
	return planned
}

func known(planned, now types.String) types.String {
	if planned.IsUnknown() {
		return now
	}
	return planned
}

// equalServices compares two sets of services.
func equalServices(a, b map[string]service) bool {
	return servicesValue(a).Equal(servicesValue(b))
}
