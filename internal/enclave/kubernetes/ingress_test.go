package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	pemtext "encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// named asks for a service with two HTTP ports that tells the name it was given. It listens on a third one that it says nothing of.
func named(t *testing.T, backend *Backend, image, name string) enclave.ServiceRequest {
	t.Helper()
	return serviceRequest(t, backend, image, func(request *enclave.ServiceRequest) {
		request.Digest, request.Spec.Env = name, map[string]string{"NAME": name}
		request.Spec.Cmd = []string{"serve", "-http", "8080,9090,7070", "-tcp", "5432"}
		request.Spec.Ports = map[string]plan.Port{
			"http": {Number: 8080, Transport: "TCP", Application: "http"}, "admin": {Number: 9090, Transport: "TCP", Application: "http"},
			"sql": {Number: 5432, Transport: "TCP"},
		}
	})
}

// portURL is what an enclave says of where a port of its service api is reached.
func portURL(t *testing.T, backend *Backend, name, port string) string {
	t.Helper()
	found, err := backend.Service(t.Context(), name, "api")
	must(t, err)
	return found.Ports[port].HostURL()
}

// A real ingress controller serves what an enclave exposes, at the URLs that the enclave reports, and no longer than that.
func TestKubernetesAloneServesIngresses(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	proxy := startProxy(t, full)
	images := testImages(t)
	backend := restricted(t, full, "sundog", "sundog-routes")
	exposure := &enclave.Exposure{Mode: enclave.ExposeIngress, Ingress: &enclave.Ingress{
		Host: "{port}-{service}-{enclave}.dev.example.com", Class: proxy.class, Port: proxy.http,
	}}
	name, other, url := proxy.servesTwo(t, full, backend, images.Service, exposure)
	// The controller has taken the Ingress for its own.
	eventually(t, "the Ingress to have the controller's address", func() (bool, string) {
		_, routed := exposing(t, full, name)
		if len(routed) != 1 {
			return false, fmt.Sprintf("%d Ingresses", len(routed))
		}
		return len(routed[0].Status.LoadBalancer.Ingress) == 1 && routed[0].Status.LoadBalancer.Ingress[0].IP == proxy.address, fmt.Sprint(routed[0].Status)
	})

	// Another pod is another address behind the same host.
	must(t, createAndStart(t.Context(), backend, name, named(t, full, images.Service, "second")))
	proxy.answers(t, nil, url+"/env/NAME", http.StatusOK, "second")

	roots := makeCertificate(t, full, namespaceName(name), "wildcard", "*.dev.example.com")
	secure := *exposure.Ingress
	secure.TLSSecret, secure.Port = "wildcard", proxy.https
	proxy.servesSecurely(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeIngress, Ingress: &secure}, roots, "second")

	proxy.servesNoMore(t, backend, name, other, url)
	if _, routed := exposing(t, full, other); len(routed) > 0 {
		t.Errorf("Ingresses of a service that was removed are left: %v", ingressHosts(routed))
	}
}

func ingressHosts(routed []networkingv1.Ingress) (hosts []string) {
	for i := range routed {
		for _, rule := range routed[i].Spec.Rules {
			hosts = append(hosts, rule.Host)
		}
	}
	return hosts
}

// makeCertificate puts a certificate for hosts into a namespace, where a user would put it or have it put, and gives what trusts
// it.
func makeCertificate(t *testing.T, backend *Backend, namespace, secret, hosts string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{hosts}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	text := pemtext.EncodeToMemory(&pemtext.Block{Type: "CERTIFICATE", Bytes: certificate})
	conn, err := backend.connect()
	must(t, err)
	_, err = create(t.Context(), conn, secrets, namespace, &corev1.Secret{
		TypeMeta: secrets.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: secret}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"tls.crt": text, "tls.key": pemtext.EncodeToMemory(&pemtext.Block{Type: "PRIVATE KEY", Bytes: private})},
	})
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return roots
}
