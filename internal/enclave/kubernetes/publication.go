package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// publication is what of a service is to be reached from outside, and how.
type publication struct {
	enclave, service string
	// labels of whatever is made for it, but for the role; selector finds the service's pod.
	labels, selector map[string]string
	ports            map[string]plan.Port
	asked            publishing
	exposure         *enclave.Exposure
	// isolated tells that the enclave lets nothing in but what is published.
	isolated bool
}

// publishing is what a package asks of the ports that are published. It stands on the service's Service, so that the
// exposure of an enclave can be changed without the package.
type publishing struct {
	Public map[string]int `json:"public,omitempty"`
	UDP    bool           `json:"udp,omitempty"`
}

func publishingOf(spec plan.ServiceSpec) publishing {
	asked := publishing{UDP: spec.PublishUDP}
	for id, port := range spec.PublicPorts {
		if asked.Public == nil {
			asked.Public = map[string]int{}
		}
		asked.Public[id] = port.Number
	}
	return asked
}

// exposedAs is how a service is exposed, as its Service tells.
type exposedAs struct {
	Mode        enclave.ExposureMode `json:"mode"`
	NodeAddress string               `json:"node_address,omitempty"`
	// Hosts of ports by id, where HTTP ports have such.
	Hosts map[string]hostAddress `json:"hosts,omitempty"`
	// Opened tells that a NetworkPolicy of its own lets traffic in.
	Opened bool `json:"opened,omitempty"`
}

type hostAddress struct {
	Host   string `json:"host"`
	Port   int    `json:"port"`
	Secure bool   `json:"secure,omitempty"`
}

// exposedIn reads how a service is exposed.
func exposedIn(service *corev1.Service) (exposedAs, error) {
	var as exposedAs
	text := service.Annotations[annotationExposed]
	if text == "" {
		return as, nil
	}
	if err := json.Unmarshal([]byte(text), &as); err != nil {
		return as, fmt.Errorf("service %q: annotation %s: %w", service.Name, annotationExposed, err)
	}
	return as, nil
}

// publication is what a workload that is made publishes: nothing where it is none of a service.
func (w *workload) publication() *publication {
	exposure := w.exposure
	if exposure == nil {
		exposure = &enclave.Exposure{Mode: enclave.ExposeNone}
	}
	return &publication{
		enclave: w.enclave, service: w.request.Spec.Name, labels: w.labels(roleExposed), selector: w.selector(),
		ports: w.request.Spec.Ports, asked: publishingOf(w.request.Spec), exposure: exposure, isolated: w.isolated,
	}
}

// publicationIn is what a service that is there publishes.
func publicationIn(name string, service *corev1.Service, exposure *enclave.Exposure, isolated bool) (*publication, error) {
	p := &publication{
		enclave: name, service: service.Name, labels: maps.Clone(service.Labels), selector: service.Spec.Selector, exposure: exposure, isolated: isolated,
	}
	p.labels[enclave.LabelRole] = roleExposed
	delete(p.labels, labelDotted)
	for key, target := range map[string]any{annotationPorts: &p.ports, annotationPublishing: &p.asked} {
		text := service.Annotations[key]
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), target); err != nil {
			return nil, fmt.Errorf("service %q: annotation %s: %w", service.Name, key, err)
		}
	}
	return p, nil
}

// published are the ids of the ports that a Service publishes, sorted, one for each number and transport.
func (p *publication) published() []string {
	var ids []string
	seen := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(p.ports)) {
		name := portName(p.ports[id])
		if seen[name] || !p.isPublished(id) {
			continue
		}
		seen[name] = true
		ids = append(ids, id)
	}
	return ids
}

func (p *publication) isPublished(id string) bool {
	_, pinned := p.asked.Public[id]
	return pinned || protocol(p.ports[id]) == "TCP" || protocol(p.ports[id]) == "UDP" && p.asked.UDP
}

// servicePorts are the ports of the Service that publishes them; pinned names those for which the package asks for a number.
func (p *publication) servicePorts() (ports []map[string]any, pinned string) {
	var asked []string
	for _, id := range p.published() {
		port := p.ports[id]
		item := map[string]any{"name": portName(port), "port": port.Number, "targetPort": port.Number, "protocol": protocol(port)}
		if number, isPinned := p.asked.Public[id]; isPinned && p.exposure.Mode == enclave.ExposeNodePort {
			item["nodePort"] = number
			asked = append(asked, fmt.Sprintf("port %q as node port %d", id, number))
		} else if isPinned {
			item["port"] = number
			asked = append(asked, fmt.Sprintf("port %q as port %d", id, number))
		}
		ports = append(ports, item)
	}
	return ports, strings.Join(asked, ", ")
}

// hosts are those of the HTTP ports, by port id.
func (p *publication) hosts() (map[string]hostAddress, error) {
	var template enclave.HostTemplate
	of := hostAddress{}
	switch p.exposure.Mode {
	case enclave.ExposeIngress:
		template, of.Port, of.Secure = p.exposure.Ingress.Host, p.exposure.Ingress.Port, p.exposure.Ingress.TLSSecret != ""
	case enclave.ExposeGateway:
		template, of.Port, of.Secure = p.exposure.Gateway.Host, p.exposure.Gateway.Port, p.exposure.Gateway.TLS
	default:
		return nil, nil //nolint:nilnil // Other ways have no hosts.
	}
	if of.Port == 0 {
		of.Port = 80
		if of.Secure {
			of.Port = 443
		}
	}
	hosts, taken := map[string]hostAddress{}, map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(p.ports)) {
		if !isHTTP(p.ports[id]) {
			continue
		}
		host, err := template.Of(p.enclave, p.service, id)
		if err != nil {
			return nil, fmt.Errorf("expose port %q: %w", id, err)
		}
		if other := taken[host]; other != "" {
			return nil, fmt.Errorf("expose port %q: it would have the host %q, which port %q has: put {port} into the template of hosts", id, host, other)
		}
		taken[host] = id
		of.Host = host
		hosts[id] = of
	}
	return hosts, nil
}

// isHTTP tells whether a proxy that chooses by host can pass a port on. It cannot look into what is encrypted.
func isHTTP(port plan.Port) bool {
	application := strings.ToLower(port.Application)
	return protocol(port) == "TCP" && (application == "http" || application == "ws")
}

// as is what the service's Service is to tell about it.
func (p *publication) as() (exposedAs, error) {
	as := exposedAs{Mode: p.exposure.Mode, NodeAddress: p.exposure.NodeAddress}
	var err error
	as.Hosts, err = p.hosts()
	as.Opened = p.isolated && p.opening(as.Hosts) != nil
	return as, err
}

// annotations note on the service's Service what is published, and how.
func (p *publication) annotations() (map[string]string, error) {
	as, err := p.as()
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{}
	for key, value := range map[string]any{annotationExposed: as, annotationPublishing: p.asked} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		annotations[key] = string(text)
	}
	return annotations, nil
}
