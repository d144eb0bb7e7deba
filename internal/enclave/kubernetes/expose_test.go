package kubernetes

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// withPorts asks for a service with an HTTP port, another one, and one that is meant for a certain number outside.
func withPorts(t *testing.T, backend *Backend, image string, public int) enclave.ServiceRequest {
	t.Helper()
	return serviceRequest(t, backend, image, func(request *enclave.ServiceRequest) {
		request.Spec.Cmd = []string{"serve", "-http", "8080", "-tcp", "5432"}
		request.Spec.Ports = map[string]plan.Port{
			"http": {Number: 8080, Transport: "TCP", Application: "http"}, "sql": {Number: 5432, Transport: "TCP"},
		}
		request.Spec.PublicPorts = map[string]plan.Port{"sql": {Number: public}}
	})
}

func expose(t *testing.T, backend *Backend, name string, exposure *enclave.Exposure) {
	t.Helper()
	updated, err := backend.UpdateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Exposure: exposure})
	must(t, err)
	if diff := cmp.Diff(exposure, updated.Exposure); diff != "" {
		t.Errorf("what the enclave says of its exposure: %s", diff)
	}
}

func fetchURL(t *testing.T, url string) {
	t.Helper()
	eventually(t, url, func() (bool, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/echo", strings.NewReader("hello"))
		must(t, err)
		response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return err == nil && string(body) == "hello", string(body)
	})
}

// exposing lists what publishes services of an enclave.
func exposing(t *testing.T, backend *Backend, name string) (published []corev1.Service, routed []networkingv1.Ingress) {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	published, err = list[corev1.Service](t.Context(), conn, services, namespaceName(name), ofRole(roleExposed))
	must(t, err)
	routed, err = list[networkingv1.Ingress](t.Context(), conn, ingresses, namespaceName(name), ofRole(roleExposed))
	must(t, err)
	return published, routed
}

// The exposure of an enclave changes in place, whatever it was before: services are what they were, and so are their pods.
func TestKubernetesChangesExposureInPlace(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	backend := restricted(t, full, "sundog", "sundog-routes") // Who may do what the guide says, and no more.
	images := testImages(t)
	name := makeEnclave(t, backend)
	public := images.PublicPort()
	must(t, createAndStart(t.Context(), backend, name, withPorts(t, full, images.Service, public)))
	pod := podOf(t, backend, name, "api").UID
	port := func(id string) enclave.PublishedPort {
		t.Helper()
		found, err := backend.Service(t.Context(), name, "api")
		must(t, err)
		if now := podOf(t, backend, name, "api").UID; now != pod {
			t.Fatalf("the pod is another one: %s, was %s", now, pod)
		}
		return found.Ports[id]
	}
	if at := port("http"); at.HostPort != 0 {
		t.Errorf("nothing may be published: %+v", at)
	}

	conn, err := full.connect()
	must(t, err)
	node, err := full.nodeAddress(t.Context(), conn)
	must(t, err)
	expose(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeNodePort})
	if at := port("http"); at.HostPort == 0 || at.Host != "" || at.HostURL() != "" {
		t.Errorf("who may not list nodes does not know where they are: %+v", at)
	}
	expose(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeNodePort, NodeAddress: node})
	if at := port("sql"); at.HostPort != public {
		t.Errorf("public_ports: %+v, want node port %d", at, public)
	}
	fetchURL(t, port("http").HostURL())
	wantOpened(t, full, name, "api", false, "TCP/5432", "TCP/8080")

	balancer := &enclave.Exposure{Mode: enclave.ExposeLoadBalancer, LoadBalancer: &enclave.LoadBalancer{
		Class: "example.com/test", Annotations: map[string]string{"example.com/kind": "internal"}, Timeout: time.Minute,
	}}
	stop := balance(t, full, name, "192.0.2.7")
	expose(t, backend, name, balancer)
	stop()
	if at := port("http"); at.HostURL() != "http://192.0.2.7:8080" {
		t.Errorf("%+v", at)
	}
	if at := port("sql"); at.Address() != net.JoinHostPort("192.0.2.7", strconv.Itoa(public)) {
		t.Errorf("a public port is the load balancer's: %+v", at)
	}
	published, _ := exposing(t, full, name)
	if len(published) != 1 || *published[0].Spec.LoadBalancerClass != "example.com/test" || published[0].Annotations["example.com/kind"] != "internal" {
		t.Errorf("%+v", published)
	}

	expose(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeIngress, Ingress: &enclave.Ingress{
		Host: "{port}-{service}-{enclave}.dev.example.com", Class: "proxy", TLSSecret: "wildcard", Annotations: map[string]string{"example.com/limit": "5"},
	}})
	host := "http-api-" + name + ".dev.example.com"
	if at := port("http"); at.HostURL() != "https://"+host || at.Host != host || at.HostPort != 443 {
		t.Errorf("%+v", at)
	}
	if at := port("sql"); at.HostPort != 0 {
		t.Errorf("only HTTP ports have hosts: %+v", at)
	}
	published, routed := exposing(t, full, name)
	if len(published) != 0 || len(routed) != 1 {
		t.Fatalf("%d Services and %d Ingresses, want 0 and 1", len(published), len(routed))
	}
	prefix := networkingv1.PathTypePrefix
	want := networkingv1.IngressSpec{
		IngressClassName: new("proxy"), TLS: []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: "wildcard"}},
		Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: "api", Port: networkingv1.ServiceBackendPort{Number: 8080}},
			}}},
		}}}},
	}
	if diff := cmp.Diff(want, routed[0].Spec); diff != "" || routed[0].Annotations["example.com/limit"] != "5" {
		t.Errorf("the Ingress: %s %v", diff, routed[0].Annotations)
	}

	// A service that is replaced keeps its host, and one that is removed has none.
	next := withPorts(t, full, images.Service, public)
	next.Digest = "d2"
	must(t, createAndStart(t.Context(), backend, name, next))
	pod = podOf(t, backend, name, "api").UID
	if at := port("http"); at.Host != host {
		t.Errorf("%+v", at)
	}
	wantOpened(t, full, name, "api", true, "TCP/8080")
	expose(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeNone})
	if at := port("http"); at.HostPort != 0 {
		t.Errorf("nothing may be published any more: %+v", at)
	}
	if published, routed := exposing(t, full, name); len(published)+len(routed) != 0 {
		t.Errorf("%d Services and %d Ingresses are left", len(published), len(routed))
	}
	wantOpened(t, full, name, "api", false)
}

// Whatever publishes a service and was removed by somebody else shows, and comes back; services and their pods stay as they are.
func TestKubernetesHealsWhatPublishes(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	images := testImages(t)
	backend := restricted(t, full, "sundog", "sundog-routes")
	conn, err := full.connect()
	must(t, err)
	name := makeEnclave(t, backend)
	request := withPorts(t, full, images.Service, 0)
	request.Spec.PublicPorts = nil
	must(t, createAndStart(t.Context(), backend, name, request))
	pod := podOf(t, backend, name, "api").UID
	for _, item := range []struct {
		exposure *enclave.Exposure
		kind     objectKind
	}{
		{&enclave.Exposure{Mode: enclave.ExposeNodePort}, services},
		{&enclave.Exposure{Mode: enclave.ExposeNodePort}, networkPolicies},
		{&enclave.Exposure{Mode: enclave.ExposeIngress, Ingress: &enclave.Ingress{Host: "{service}.{enclave}.example.com"}}, ingresses},
		{&enclave.Exposure{Mode: enclave.ExposeIngress, Ingress: &enclave.Ingress{Host: "{service}.{enclave}.example.com"}}, networkPolicies},
	} {
		expose(t, backend, name, item.exposure)
		must(t, conn.remove(t.Context(), item.kind, namespaceName(name), exposedName("api"), deletion{}))
		found, err := backend.Enclave(t.Context(), name)
		must(t, err)
		if found.Exposure == nil || found.Exposure.Mode != enclave.ExposeUnsettled {
			t.Errorf("%s, without what is among the %s: the enclave is said to be exposed by %+v", item.exposure.Mode, item.kind.plural, found.Exposure)
		}
		expose(t, backend, name, item.exposure)
		_, err = get[map[string]any](t.Context(), conn, item.kind, namespaceName(name), exposedName("api"))
		must(t, err)
		if found, err = backend.Enclave(t.Context(), name); err != nil || found.Exposure == nil || found.Exposure.Mode != item.exposure.Mode {
			t.Errorf("healed, the enclave is said to be exposed by %+v (%v)", found.Exposure, err)
		}
	}
	if now := podOf(t, backend, name, "api").UID; now != pod {
		t.Error("the pod was made anew")
	}
}

// wantOpened checks to which ports of a service traffic is let in from outside of the enclave, and whether from other
// namespaces, too.
func wantOpened(t *testing.T, backend *Backend, name, service string, fromNamespaces bool, ports ...string) {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	policy, err := get[networkingv1.NetworkPolicy](t.Context(), conn, networkPolicies, namespaceName(name), exposedName(service))
	if apierrors.IsNotFound(err) && len(ports) == 0 {
		return
	}
	must(t, err)
	if policy.Spec.PodSelector.MatchLabels[enclave.LabelService] != service || len(policy.Spec.Ingress) != 1 {
		t.Fatalf("%+v", policy.Spec)
	}
	rule := policy.Spec.Ingress[0]
	var opened []string
	for _, port := range rule.Ports {
		opened = append(opened, string(*port.Protocol)+"/"+port.Port.String())
	}
	slices.Sort(opened)
	if diff := cmp.Diff(ports, opened); diff != "" {
		t.Errorf("ports that are opened: %s", diff)
	}
	if got := slices.ContainsFunc(rule.From, func(peer networkingv1.NetworkPolicyPeer) bool { return peer.NamespaceSelector != nil }); got != fromNamespaces {
		t.Errorf("opened to other namespaces: %t, want %t", got, fromNamespaces)
	}
}

// balance plays the controller of load balancers: it gives an address to Services of that type.
func balance(t *testing.T, backend *Backend, name, address string) (stop func()) {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			found, err := list[corev1.Service](ctx, conn, services, namespaceName(name), ofRole(roleExposed))
			for i := range found {
				if err != nil || found[i].Spec.Type != corev1.ServiceTypeLoadBalancer || len(found[i].Status.LoadBalancer.Ingress) > 0 {
					continue
				}
				_ = conn.do(ctx, call{
					verb: http.MethodPatch, path: services.path(found[i].Namespace, found[i].Name) + "/status", mediaType: "application/merge-patch+json",
					body: map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": address}}}}},
				}, nil)
			}
			_ = pause(ctx, 200*time.Millisecond)
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

func TestKubernetesWaitsForLoadBalancers(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	expose(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeLoadBalancer, LoadBalancer: &enclave.LoadBalancer{Timeout: 2 * time.Second}})
	request := withPorts(t, backend, images.Service, 5432)
	err := createAndStart(t.Context(), backend, name, request)
	mentions(t, err, `"api"`, "no address after 2s", "controller", "load_balancer.timeout")
	defer balance(t, backend, name, "192.0.2.8")()
	started, err := backend.StartService(t.Context(), name, "api")
	must(t, err)
	eventually(t, "the address", func() (bool, string) {
		started, err = backend.Service(t.Context(), name, "api")
		must(t, err)
		return started.Ports["sql"].Address() == "192.0.2.8:5432", started.Ports["sql"].Address()
	})
	// What may cost money goes with the service.
	must(t, backend.RemoveService(t.Context(), name, "api"))
	if published, _ := exposing(t, backend, name); len(published) != 0 {
		t.Errorf("the load balancer of a removed service is left: %+v", published)
	}
}

func TestKubernetesExplainsPublicPorts(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name, other := makeEnclave(t, backend), makeEnclave(t, backend)
	public := images.PublicPort()
	_, err := backend.CreateService(t.Context(), name, withPorts(t, backend, images.Service, public))
	must(t, err)
	_, err = backend.CreateService(t.Context(), other, withPorts(t, backend, images.Service, public))
	mentions(t, err, `"sql" as node port `+strconv.Itoa(public), `service "api" of enclave "`+name+`"`, "choose another one")
	_, err = backend.CreateService(t.Context(), other, withPorts(t, backend, images.Service, 80))
	mentions(t, err, `"sql" as node port 80`, "range", "expose ports in another way")
}

// A change of exposure that was cut off is told, and gone on with.
func TestKubernetesGoesOnWithExposing(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	_, err := backend.CreateService(t.Context(), name, withPorts(t, backend, images.Service, images.PublicPort()))
	must(t, err)
	conn, err := backend.connect()
	must(t, err)
	wanted := &enclave.Exposure{Mode: enclave.ExposeNone}
	namespace, err := get[corev1.Namespace](t.Context(), conn, namespaces, "", namespaceName(name))
	must(t, err)
	_, err = askExposure(namespace, wanted)
	must(t, err)
	namespace.TypeMeta = namespaces.typeMeta()
	_, err = replace(t.Context(), conn, namespaces, "", namespace.Name, namespace)
	must(t, err)
	found, err := backend.Enclave(t.Context(), name)
	must(t, err)
	if found.Exposure == nil || found.Exposure.Mode != enclave.ExposeUnsettled {
		t.Errorf("it must be told that services do not follow yet: %+v", found.Exposure)
	}
	expose(t, backend, name, wanted)
	if published, _ := exposing(t, backend, name); len(published) != 0 {
		t.Errorf("services must follow: %+v", published)
	}
}

// HTTP ports become routes of a Gateway, one for each, and those of ports that are no more go.
func TestRoutesOfAGateway(t *testing.T) {
	var applied []map[string]any
	var removed []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodDelete {
			removed = append(removed, r.URL.Path)
			_, _ = io.WriteString(w, "{}")
			return
		}
		var object map[string]any
		if err := json.NewDecoder(r.Body).Decode(&object); err != nil || r.Method != http.MethodPatch {
			t.Error(r.Method, r.URL, err)
		}
		applied = append(applied, object)
		_ = json.NewEncoder(w).Encode(object)
	}))
	defer server.Close()
	conn, err := newConnection(Cluster{Host: server.URL})
	must(t, err)
	p := &publication{
		enclave: "dev", service: "api", labels: map[string]string{"a": "b"},
		ports: map[string]plan.Port{"http": {Number: 8080, Transport: "TCP", Application: "http"}, "sql": {Number: 5432, Transport: "TCP"}},
		exposure: &enclave.Exposure{Mode: enclave.ExposeGateway, Gateway: &enclave.Gateway{
			Host: "{port}-{service}-{enclave}.example.com", Name: "shared", Namespace: "infra", Listener: "web", TLS: true, Annotations: map[string]string{"c": "d"},
		}},
	}
	before := exposedAs{Mode: enclave.ExposeGateway, Hosts: map[string]hostAddress{"http": {}, "admin": {}}}
	_, err = conn.expose(t.Context(), p, before)
	must(t, err)
	want := []map[string]any{{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
		"metadata": map[string]any{"name": routeName("api", "http"), "labels": map[string]any{"a": "b"}, "annotations": map[string]any{"c": "d"}},
		"spec": map[string]any{
			"hostnames":  []any{"http-api-dev.example.com"},
			"parentRefs": []any{map[string]any{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shared", "namespace": "infra", "sectionName": "web"}},
			"rules": []any{map[string]any{
				"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/"}}},
				"backendRefs": []any{map[string]any{"group": "", "kind": "Service", "name": "api", "port": 8080.0, "weight": 1.0}},
			}},
		},
	}}
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{httpRoutes.path("sundog-dev", routeName("api", "admin"))}, removed); diff != "" {
		t.Error(diff)
	}
	as, err := p.as()
	must(t, err)
	if diff := cmp.Diff(map[string]hostAddress{"http": {"http-api-dev.example.com", 443, true}}, as.Hosts); diff != "" {
		t.Error(diff)
	}
	// Two ports under one host would hide one another.
	p.ports["admin"] = plan.Port{Number: 9090, Transport: "TCP", Application: "http"}
	p.exposure.Gateway.Host = "{service}-{enclave}.example.com"
	_, err = p.as()
	mentions(t, err, `"http"`, `"admin"`, "api-dev.example.com", "{port}")
}
