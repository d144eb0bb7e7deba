package enclave

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ExposureMode is a way in which ports of services are reached from outside of the cluster.
type ExposureMode string

// The ways of exposing ports. The empty one means what the backend was told for all enclaves.
const (
	ExposeNone         ExposureMode = "None" // by forwarding alone
	ExposeNodePort     ExposureMode = "NodePort"
	ExposeLoadBalancer ExposureMode = "LoadBalancer"
	ExposeIngress      ExposureMode = "Ingress"
	ExposeGateway      ExposureMode = "Gateway"
	// ExposeUnsettled is what is found where a change was cut off, or what publishes services is missing.
	ExposeUnsettled ExposureMode = "Unsettled"
)

// ExposureModes are those that can be asked for.
func ExposureModes() []ExposureMode {
	return []ExposureMode{ExposeNone, ExposeNodePort, ExposeLoadBalancer, ExposeIngress, ExposeGateway}
}

// Exposure says how ports of an enclave's services are reached from outside, on a backend that has a choice. What does not
// belong to its mode is empty.
type Exposure struct {
	Mode ExposureMode `json:"mode"`
	// NodeAddress is where node ports are reached; empty means the address of a node that the cluster tells.
	NodeAddress  string        `json:"node_address,omitempty"`
	LoadBalancer *LoadBalancer `json:"load_balancer,omitempty"`
	Ingress      *Ingress      `json:"ingress,omitempty"`
	Gateway      *Gateway      `json:"gateway,omitempty"`
}

// LoadBalancer says what kind of load balancer each service has.
type LoadBalancer struct {
	Class       string            `json:"class,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Timeout is how long a start waits for the address; 0 means DefaultAddressTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// DefaultAddressTimeout is how long a start waits for the address of a load balancer where nobody says.
const DefaultAddressTimeout = 3 * time.Minute

// Ingress says under which hosts HTTP ports are reached through the cluster's ingress controller.
type Ingress struct {
	Host        HostTemplate      `json:"host"`
	Class       string            `json:"class,omitempty"`
	TLSSecret   string            `json:"tls_secret,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Port is where the controller is reached; 0 means 80, or 443 with TLS.
	Port int `json:"port,omitempty"`
}

// Gateway says under which hosts HTTP ports are reached through a Gateway of the Gateway API.
type Gateway struct {
	Host        HostTemplate      `json:"host"`
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Listener    string            `json:"listener,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// TLS tells that the gateway's listener speaks HTTPS.
	TLS  bool `json:"tls,omitempty"`
	Port int  `json:"port,omitempty"`
}

// Check refuses what cannot be meant.
func (e *Exposure) Check() error {
	if e == nil || e.Mode == "" {
		return nil
	}
	if !slices.Contains(ExposureModes(), e.Mode) {
		return fmt.Errorf("ports cannot be exposed as %q: give None, NodePort, LoadBalancer, Ingress or Gateway", e.Mode)
	}
	switch {
	case e.Mode == ExposeIngress && (e.Ingress == nil || e.Ingress.Host == ""):
		return errors.New(`ports are to be exposed by Ingress, and no hosts are named: give ingress.host, such as "{port}-{service}-{enclave}.dev.example.com"`)
	case e.Mode == ExposeGateway && (e.Gateway == nil || e.Gateway.Host == ""):
		return errors.New(`ports are to be exposed by Gateway, and no hosts are named: give gateway.host, such as "{port}-{service}-{enclave}.dev.example.com"`)
	case e.Mode == ExposeGateway && e.Gateway.Name == "":
		return errors.New("ports are to be exposed by Gateway, and none is named: give gateway.name")
	}
	if e.Ingress != nil && e.Ingress.Host != "" {
		if err := CheckHostTemplate(string(e.Ingress.Host)); err != nil {
			return fmt.Errorf("ingress.host: %w", err)
		}
	}
	if e.Gateway != nil && e.Gateway.Host != "" {
		if err := CheckHostTemplate(string(e.Gateway.Host)); err != nil {
			return fmt.Errorf("gateway.host: %w", err)
		}
	}
	return nil
}

// HostTemplate makes the host of a port out of {port} (its id), {service} and {enclave}.
type HostTemplate string

// CheckHostTemplate refuses a template that makes no hosts, or the same one for several services.
func CheckHostTemplate(text string) error {
	template := HostTemplate(text)
	if !strings.Contains(text, "{service}") || !strings.Contains(text, "{enclave}") {
		return fmt.Errorf("%q gives several services the same host: put {service} and {enclave} in, and {port} where services have several HTTP ports", text)
	}
	_, err := template.Of("e", "s", "p")
	return err
}

// Of gives the host of a port. The id of a port may hold what a host may not; a hyphen stands for that.
func (t HostTemplate) Of(enclave, service, port string) (string, error) {
	host := strings.NewReplacer("{enclave}", enclave, "{service}", service, "{port}", hostWord(port)).Replace(string(t))
	if strings.ContainsAny(host, "{}") {
		return "", fmt.Errorf("%q holds a placeholder that does not exist: there are {port}, {service} and {enclave}", string(t))
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isHostLabel(label) {
			return "", fmt.Errorf("%q makes the host %q, whose part %q is none of a host: 1 to 63 lower-case letters, digits and hyphens between dots", string(t), host, label)
		}
	}
	const mostHost = 253
	if len(host) > mostHost {
		return "", fmt.Errorf("%q makes the host %q, which has more than %d characters", string(t), host, mostHost)
	}
	return host, nil
}

func hostWord(text string) string {
	word := strings.Map(func(letter rune) rune {
		if isHostLetter(letter) {
			return letter
		}
		return '-'
	}, strings.ToLower(text))
	return strings.Trim(word, "-")
}

func isHostLetter(letter rune) bool {
	return letter >= 'a' && letter <= 'z' || letter >= '0' && letter <= '9'
}

func isHostLabel(label string) bool {
	const mostLabel = 63
	inside := strings.IndexFunc(label, func(letter rune) bool { return !isHostLetter(letter) && letter != '-' }) < 0
	return label != "" && len(label) <= mostLabel && inside && !strings.HasPrefix(label, "-") && !strings.HasSuffix(label, "-")
}

// Address is where a published port is reached, as host:port; empty for one that is not published, or whose host nobody knows.
func (p PublishedPort) Address() string {
	if p.HostPort == 0 || p.Host == "" {
		return ""
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(p.HostPort))
}

// HostURL is how a published port is reached: the package's own URL with the host and port put in, or one made from the
// application protocol; empty where neither is there, or where the port is not published.
func (p PublishedPort) HostURL() string {
	if p.Address() == "" {
		return ""
	}
	return p.URLAt(p.Address())
}

// URLAt is the port's URL if it is reached at an address.
func (p PublishedPort) URLAt(address string) string {
	scheme, path := strings.ToLower(p.Application), ""
	if p.URL != "" {
		own, rest, found := strings.Cut(p.URL, "://")
		if !found {
			return p.URL
		}
		scheme = own
		if _, below, hasPath := strings.Cut(rest, "/"); hasPath {
			path = "/" + below
		}
	}
	if scheme == "" {
		return ""
	}
	if p.Secure && secured[scheme] != "" {
		scheme = secured[scheme]
	}
	if host, port, err := net.SplitHostPort(address); err == nil && port == defaultPorts[scheme] && net.ParseIP(host) == nil {
		address = host
	}
	return scheme + "://" + address + path
}

// secured are the schemes behind a TLS end by the schemes that the services themselves speak.
var secured = map[string]string{"http": "https", "ws": "wss"}

// defaultPorts need not stand in a URL behind a name.
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}
