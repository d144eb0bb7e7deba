package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var (
	gatewayClasses = objectKind{httpRoutes.prefix, "GatewayClass", "gatewayclasses", httpRoutes.version}
	gateways       = objectKind{httpRoutes.prefix, "Gateway", "gateways", httpRoutes.version}
	resources      = objectKind{"/apis/apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", "apiextensions.k8s.io/v1"}
)

// gatewayAPI tells whether the cluster has the Gateway API.
func gatewayAPI(t *testing.T, conn *connection) bool {
	t.Helper()
	_, err := list[map[string]any](t.Context(), conn, httpRoutes, "", "")
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

// installGatewayAPI installs the released definitions of the Gateway API from a folder, until the test ends.
func installGatewayAPI(t *testing.T, conn *connection, folder string) {
	t.Helper()
	for _, plural := range []string{"gatewayclasses", "gateways", "httproutes", "referencegrants"} {
		text, err := os.ReadFile(filepath.Join(folder, "gateway.networking.k8s.io_"+plural+".yaml"))
		must(t, err)
		var definition map[string]any
		must(t, yaml.Unmarshal(text, &definition))
		name := plural + ".gateway.networking.k8s.io"
		t.Cleanup(func() { must(t, conn.remove(context.Background(), resources, "", name, deletion{})) })
		_, err = apply[map[string]any](t.Context(), conn, resources, "", name, definition)
		must(t, err)
	}
	for _, kind := range []objectKind{gatewayClasses, gateways, httpRoutes} {
		eventually(t, "the cluster to know "+kind.plural, func() (bool, string) {
			_, err := list[map[string]any](t.Context(), conn, kind, "", "")
			return err == nil, fmt.Sprint(err)
		})
	}
}

// A real gateway serves the routes that an enclave is exposed by, which the Gateway API's own definitions have found right.
func TestKubernetesAloneServesRoutes(t *testing.T) {
	t.Parallel()
	folder := alone(t, "SUNDOG_TEST_GATEWAY_API", "the folder of the Gateway API's definitions")
	full := kubernetesBackend(t)
	conn, err := full.connect()
	must(t, err)
	images := testImages(t)
	backend := restricted(t, full, "sundog", "sundog-routes")
	exposure := &enclave.Exposure{Mode: enclave.ExposeGateway, Gateway: &enclave.Gateway{Host: "{port}-{service}-{enclave}.dev.example.com", Name: "shared"}}
	if !gatewayAPI(t, conn) {
		name := makeEnclave(t, backend)
		must(t, createAndStart(t.Context(), backend, name, named(t, full, images.Service, "first")))
		_, err := backend.UpdateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner, Exposure: exposure})
		mentions(t, err, `"api"`, "no HTTPRoute", "install the Gateway API")
		installGatewayAPI(t, conn, folder)
	}
	proxy := startProxy(t, full)
	t.Cleanup(func() { must(t, conn.remove(context.Background(), gatewayClasses, "", proxy.class, deletion{})) })
	proxy.make(t, conn, gatewayClasses, "", proxy.class, map[string]any{"spec": map[string]any{"controllerName": proxy.controller}})
	roots := makeCertificate(t, full, proxy.namespace, "wildcard", "*.dev.example.com")
	everywhere := map[string]any{"namespaces": map[string]any{"from": "All"}}
	proxy.make(t, conn, gateways, proxy.namespace, "shared", map[string]any{"spec": map[string]any{
		"gatewayClassName": proxy.class, "listeners": []any{
			map[string]any{"name": "web", "protocol": "HTTP", "port": proxy.http, "allowedRoutes": everywhere},
			map[string]any{
				"name": "secure", "protocol": "HTTPS", "port": proxy.https, "allowedRoutes": everywhere,
				"tls": map[string]any{"mode": "Terminate", "certificateRefs": []any{map[string]any{"name": "wildcard"}}},
			},
		},
	}})
	exposure.Gateway.Namespace, exposure.Gateway.Listener, exposure.Gateway.Port = proxy.namespace, "web", proxy.http

	name, other, url := proxy.servesTwo(t, full, backend, images.Service, exposure)
	must(t, createAndStart(t.Context(), backend, name, named(t, full, images.Service, "second")))
	proxy.answers(t, nil, url+"/env/NAME", http.StatusOK, "second")

	// A port that is no more has no route.
	without := named(t, full, images.Service, "third")
	delete(without.Spec.Ports, "admin")
	admin := portURL(t, backend, name, "admin")
	must(t, createAndStart(t.Context(), backend, name, without))
	proxy.answers(t, nil, admin+"/env/NAME", http.StatusNotFound, "")
	proxy.answers(t, nil, url+"/env/NAME", http.StatusOK, "third")

	// The other listener ends TLS.
	secure := *exposure.Gateway
	secure.Listener, secure.Port, secure.TLS = "secure", proxy.https, true
	proxy.servesSecurely(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeGateway, Gateway: &secure}, roots, "third")

	proxy.servesNoMore(t, backend, name, other, url)
	// A namespace that stays is left without routes, too.
	kept := makeEnclave(t, backend)
	expose(t, backend, kept, exposure)
	must(t, createAndStart(t.Context(), backend, kept, named(t, full, images.Service, "kept")))
	must(t, conn.empty(t.Context(), kept))
	left, err := list[map[string]any](t.Context(), conn, httpRoutes, "", ofRole(roleExposed))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("routes are left: %v", left)
	}
}
