package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var (
	ingresses  = objectKind{"/apis/networking.k8s.io/v1", "Ingress", "ingresses", "networking.k8s.io/v1"}
	httpRoutes = objectKind{"/apis/gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", "gateway.networking.k8s.io/v1"}
)

// exposure is how ports are exposed where an enclave does not say itself.
func (o Options) exposure() *enclave.Exposure {
	mode := enclave.ExposureMode(o.Expose)
	if mode == "" {
		mode = enclave.ExposeNone
	}
	return &enclave.Exposure{Mode: mode, NodeAddress: o.NodeAddress, LoadBalancer: o.LoadBalancer, Ingress: o.Ingress, Gateway: o.Gateway}
}

// effective is how the ports of an enclave are exposed.
func (b *Backend) effective(namespace *corev1.Namespace) (*enclave.Exposure, error) {
	wanted, err := wantedExposure(namespace)
	if err != nil {
		return nil, err
	}
	if wanted == nil {
		wanted = b.options.exposure()
	}
	if wanted.NodeAddress == "" {
		wanted.NodeAddress = b.options.NodeAddress
	}
	return wanted, wanted.Check()
}

// exposureFor looks up how the ports of an enclave are exposed.
func (b *Backend) exposureFor(ctx context.Context, conn *connection, name string) (*enclave.Exposure, error) {
	exposure, _, err := b.openness(ctx, conn, name)
	return exposure, err
}

// openness looks up how the ports of an enclave are exposed, and whether it keeps out what is not.
func (b *Backend) openness(ctx context.Context, conn *connection, name string) (exposure *enclave.Exposure, isolated bool, err error) {
	namespace, err := conn.sharedNamespace(ctx, name)
	if err != nil {
		return nil, false, err
	}
	policy, err := policyIn(namespace)
	if err != nil {
		return nil, false, err
	}
	exposure, err = b.effective(namespace)
	return exposure, !policy.Open, err
}

// expose makes what publishes a service, and removes what has published it in another way before. It gives the Service by
// which node ports and load balancers lead to it, nil without one.
func (c *connection) expose(ctx context.Context, p *publication, before exposedAs) (*corev1.Service, error) {
	var exposed *corev1.Service
	var err error
	switch p.exposure.Mode {
	case enclave.ExposeNodePort, enclave.ExposeLoadBalancer:
		exposed, err = c.exposeService(ctx, p)
	case enclave.ExposeIngress:
		err = c.exposeIngress(ctx, p)
	case enclave.ExposeGateway:
		err = c.exposeRoutes(ctx, p, before)
	case enclave.ExposeNone, enclave.ExposeUnsettled:
	}
	if err != nil {
		return nil, err
	}
	if err := c.openNetwork(ctx, p, before); err != nil {
		return nil, err
	}
	return exposed, c.unexpose(ctx, namespaceName(p.enclave), p.service, before, p.exposure.Mode)
}

// ofExposed selects what publishes a service.
func ofExposed(service string) string { return selector(ofService(service), ofRole(roleExposed)) }

// byService tells whether a Service of its own publishes ports in this way.
func byService(mode enclave.ExposureMode) bool {
	return mode == enclave.ExposeNodePort || mode == enclave.ExposeLoadBalancer
}

// unexpose removes what has published a service in another way than the one that is to stay.
func (c *connection) unexpose(ctx context.Context, namespace, service string, before exposedAs, stays enclave.ExposureMode) error {
	var kind objectKind
	switch {
	case byService(before.Mode) && !byService(stays):
		kind = services
	case before.Mode == enclave.ExposeIngress && stays != enclave.ExposeIngress && len(before.Hosts) > 0:
		kind = ingresses
	case before.Mode == enclave.ExposeGateway && stays != enclave.ExposeGateway && len(before.Hosts) > 0:
		kind = httpRoutes
	default:
		return nil
	}
	if err := c.removeAll(ctx, kind, namespace, ofExposed(service), deletion{}); err != nil {
		return fmt.Errorf("remove what has published its ports (%s): %w", kind.plural, err)
	}
	return nil
}

func (c *connection) exposeService(ctx context.Context, p *publication) (*corev1.Service, error) {
	ports, pinned := p.servicePorts()
	namespace := namespaceName(p.enclave)
	if len(ports) == 0 {
		return nil, c.removeAll(ctx, services, namespace, ofExposed(p.service), deletion{})
	}
	metadata := map[string]any{"labels": p.labels}
	spec := map[string]any{"type": string(p.exposure.Mode), "selector": p.selector, "ports": ports}
	if balancer := p.exposure.LoadBalancer; p.exposure.Mode == enclave.ExposeLoadBalancer && balancer != nil {
		if len(balancer.Annotations) > 0 {
			metadata["annotations"] = balancer.Annotations
		}
		if balancer.Class != "" {
			spec["loadBalancerClass"] = balancer.Class
		}
	}
	object := map[string]any{"metadata": metadata, "spec": spec}
	made, err := apply[corev1.Service](ctx, c, services, namespace, exposedName(p.service), object)
	if apierrors.IsInvalid(err) && strings.Contains(err.Error(), "loadBalancerClass") {
		// The class of a load balancer cannot be changed; another one is another load balancer.
		if err := c.removeAll(ctx, services, namespace, ofExposed(p.service), deletion{}); err != nil {
			return nil, err
		}
		made, err = apply[corev1.Service](ctx, c, services, namespace, exposedName(p.service), object)
	}
	if err != nil && pinned != "" && (apierrors.IsInvalid(err) || apierrors.IsConflict(err)) {
		return nil, c.explainPublicPorts(ctx, p, pinned, err)
	}
	if err != nil {
		return nil, fmt.Errorf("publish its ports: %w", inEnclave(p.enclave, err))
	}
	return made, nil
}

// explainPublicPorts says who has a node port that a package asks for, or which ones there are.
func (c *connection) explainPublicPorts(ctx context.Context, p *publication, pinned string, cause error) error {
	err := fmt.Errorf("publish %s as public_ports says: %w", pinned, cause)
	if strings.Contains(cause.Error(), "valid range") {
		return fmt.Errorf("%w\nGive public_ports within the cluster's range of node ports (which the message names, by default 30000 to 32767), or expose ports in another way", err)
	}
	all, listErr := list[corev1.Service](ctx, c, services, "", "")
	if listErr != nil {
		return err // Not everybody may see the others.
	}
	asked := slices.Collect(maps.Values(p.asked.Public))
	for i := range all {
		for _, port := range all[i].Spec.Ports {
			if !slices.Contains(asked, int(port.NodePort)) || all[i].Namespace == namespaceName(p.enclave) && all[i].Name == exposedName(p.service) {
				continue
			}
			holder := fmt.Sprintf("the Service %q in namespace %q", all[i].Name, all[i].Namespace)
			if all[i].Labels[enclave.LabelManagedBy] == enclave.ManagedBy {
				holder = fmt.Sprintf("service %q of enclave %q", all[i].Labels[enclave.LabelService], all[i].Labels[enclave.LabelEnclave])
			}
			return fmt.Errorf("%w\nNode port %d belongs to %s: choose another one in public_ports, or leave the choice to the cluster", err, port.NodePort, holder)
		}
	}
	return err
}

func (c *connection) exposeIngress(ctx context.Context, p *publication) error {
	namespace := namespaceName(p.enclave)
	hosts, err := p.hosts()
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		return nil
	}
	wanted := p.exposure.Ingress
	var rules []map[string]any
	var names []string
	for _, id := range slices.Sorted(maps.Keys(hosts)) {
		backend := map[string]any{"service": map[string]any{"name": p.service, "port": map[string]any{"number": p.ports[id].Number}}}
		rules = append(rules, map[string]any{"host": hosts[id].Host, "http": map[string]any{
			"paths": []any{map[string]any{"path": "/", "pathType": "Prefix", "backend": backend}},
		}})
		names = append(names, hosts[id].Host)
	}
	spec := map[string]any{"rules": rules}
	if wanted.Class != "" {
		spec["ingressClassName"] = wanted.Class
	}
	if wanted.TLSSecret != "" {
		spec["tls"] = []any{map[string]any{"hosts": names, "secretName": wanted.TLSSecret}}
	}
	metadata := map[string]any{"labels": p.labels}
	if len(wanted.Annotations) > 0 {
		metadata["annotations"] = wanted.Annotations
	}
	_, err = apply[map[string]any](ctx, c, ingresses, namespace, exposedName(p.service), map[string]any{"metadata": metadata, "spec": spec})
	if err != nil {
		return fmt.Errorf("make the Ingress for its HTTP ports: %w", inEnclave(p.enclave, err))
	}
	return nil
}

// exposeRoutes makes an HTTPRoute for each HTTP port, and removes those of ports that are no more.
func (c *connection) exposeRoutes(ctx context.Context, p *publication, before exposedAs) error {
	namespace := namespaceName(p.enclave)
	hosts, err := p.hosts()
	if err != nil {
		return err
	}
	wanted := p.exposure.Gateway
	parent := map[string]any{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": wanted.Name}
	if wanted.Namespace != "" {
		parent["namespace"] = wanted.Namespace
	}
	if wanted.Listener != "" {
		parent["sectionName"] = wanted.Listener
	}
	for _, id := range slices.Sorted(maps.Keys(hosts)) {
		metadata := map[string]any{"labels": p.labels}
		if len(wanted.Annotations) > 0 {
			metadata["annotations"] = wanted.Annotations
		}
		backend := map[string]any{"group": "", "kind": "Service", "name": p.service, "port": p.ports[id].Number, "weight": 1}
		match := map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/"}}
		_, err := apply[map[string]any](ctx, c, httpRoutes, namespace, routeName(p.service, id), map[string]any{"metadata": metadata, "spec": map[string]any{
			"parentRefs": []any{parent}, "hostnames": []any{hosts[id].Host},
			"rules": []any{map[string]any{"matches": []any{match}, "backendRefs": []any{backend}}},
		}})
		if apierrors.IsNotFound(err) && !isGone(c.mustExist(ctx, p.enclave)) {
			return errors.New("the cluster has no HTTPRoute (gateway.networking.k8s.io/v1): install the Gateway API, or expose ports in another way")
		}
		if err != nil {
			return fmt.Errorf("make the HTTPRoute for port %q: %w", id, inEnclave(p.enclave, err))
		}
	}
	for id := range before.Hosts {
		if _, stays := hosts[id]; stays || before.Mode != enclave.ExposeGateway {
			continue
		}
		if err := c.remove(ctx, httpRoutes, namespace, routeName(p.service, id), deletion{}); err != nil {
			return fmt.Errorf("remove the HTTPRoute for port %q: %w", id, err)
		}
	}
	return nil
}

func routeName(service, port string) string { return hashed("sundog-exposed", service+"\x00"+port) }

// addressPause lies between two looks for the address of a load balancer.
const addressPause = time.Second

// awaitAddress waits until a load balancer has an address.
func (c *connection) awaitAddress(ctx context.Context, name, service string, timeout time.Duration) (*corev1.Service, error) {
	namespace := namespaceName(name)
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		found, err := get[corev1.Service](bounded, c, services, namespace, exposedName(service))
		if apierrors.IsNotFound(err) {
			return nil, nil //nolint:nilnil // It publishes nothing.
		}
		if err == nil && balancerAddress(found) != "" {
			return found, nil
		}
		if err == nil {
			err = pause(bounded, addressPause)
		}
		if ctx.Err() == nil && bounded.Err() != nil {
			return nil, c.explainAddress(ctx, namespace, service, timeout)
		}
		if err != nil {
			return nil, fmt.Errorf("wait for the load balancer's address: %w", err)
		}
	}
}

func (c *connection) explainAddress(ctx context.Context, namespace, service string, timeout time.Duration) error {
	object := exposedName(service)
	text := fmt.Sprintf("its load balancer has no address after %s (Service %s in namespace %s): see that the cluster has a controller for Services of type LoadBalancer", timeout, object, namespace)
	found, err := get[corev1.Service](ctx, c, services, namespace, object)
	if err == nil && found.Spec.LoadBalancerClass != nil {
		text += " and of the class " + *found.Spec.LoadBalancerClass
	}
	text += ", raise load_balancer.timeout, or expose ports in another way"
	told, err := listAs[corev1.Event](ctx, c, events, namespace, map[string]string{"fieldSelector": "involvedObject.name=" + object}, "")
	lines := []string{text}
	for i := range told {
		lines = append(lines, told[i].Reason+": "+strings.TrimSpace(told[i].Message))
	}
	text = strings.Join(lines, "\n")
	if err != nil || len(told) == 0 {
		text += "; nobody has said anything about it"
	}
	return errors.New(text)
}

// balancerAddress is the address or name of a load balancer; empty while it has none.
func balancerAddress(service *corev1.Service) string {
	for _, at := range service.Status.LoadBalancer.Ingress {
		if at.IP != "" {
			return at.IP
		}
		if at.Hostname != "" {
			return at.Hostname
		}
	}
	return ""
}

// publish tells where a service's ports are reached.
func (b *Backend) publish(ctx context.Context, conn *connection, of *parts, ports map[string]enclave.PublishedPort) error {
	as, err := exposedIn(of.service)
	if err != nil {
		return err
	}
	for id, port := range ports {
		switch {
		case len(as.Hosts) > 0:
			at := as.Hosts[id]
			port.Host, port.HostPort, port.Secure = at.Host, at.Port, at.Secure
		case of.exposed == nil:
		case of.exposed.Spec.Type == corev1.ServiceTypeLoadBalancer:
			if address := balancerAddress(of.exposed); address != "" {
				if port.HostPort = exposedPort(of.exposed, port.Port, func(item *corev1.ServicePort) int32 { return item.Port }); port.HostPort != 0 {
					port.Host = address
				}
			}
		default:
			if port.HostPort = nodePort(of.exposed, port.Port); port.HostPort == 0 {
				break
			}
			if port.Host = as.NodeAddress; port.Host == "" {
				if port.Host, err = b.nodeAddress(ctx, conn); err != nil {
					return err
				}
			}
		}
		ports[id] = port
	}
	return nil
}
