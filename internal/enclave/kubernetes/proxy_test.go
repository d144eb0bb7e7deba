package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var ingressClasses = objectKind{ingresses.prefix, "IngressClass", "ingressclasses", ingresses.version}

// testProxy is an ingress controller that people use, HAProxy Ingress, beside a HAProxy that it configures. It serves one test.
type testProxy struct {
	// class is the name of its IngressClass, and namespace that of its own objects.
	class, namespace string
	// controller is what classes name.
	controller  string
	address     string
	http, https int
}

// startProxy starts one. What the controller looks for is read when it starts, so whatever it is to serve must be known to the
// cluster before.
func startProxy(t *testing.T, backend *Backend) *testProxy {
	t.Helper()
	program := alone(t, "SUNDOG_TEST_INGRESS_CONTROLLER", "HAProxy Ingress")
	conn, err := backend.connect()
	must(t, err)
	address, err := backend.nodeAddress(t.Context(), conn)
	must(t, err)
	folder, err := os.MkdirTemp("", "proxy") //nolint:usetesting // Sockets must have short paths, which the test's own folder has not.
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })

	name := "sundog-test-" + newGeneration()
	ports := rand.Perm(10000)[:5]
	for i := range ports {
		ports[i] += 20000 // Neither node ports nor what the kernel gives to clients.
	}
	proxy := &testProxy{class: name, namespace: name, controller: "haproxy-ingress.github.io/controller/" + name, address: address, http: ports[0], https: ports[1]}
	t.Cleanup(func() {
		must(t, conn.remove(context.Background(), ingressClasses, "", name, deletion{}))
		must(t, conn.remove(context.Background(), namespaces, "", name, deletion{}))
	})
	proxy.make(t, conn, namespaces, "", name, map[string]any{})
	proxy.make(t, conn, ingressClasses, "", name, map[string]any{"spec": map[string]any{"controller": proxy.controller}})
	proxy.make(t, conn, configMaps, name, "settings", map[string]any{"data": map[string]any{
		"http-port": strconv.Itoa(ports[0]), "https-port": strconv.Itoa(ports[1]), "stats-port": strconv.Itoa(ports[2]), "healthz-port": strconv.Itoa(ports[3]),
	}})

	settings, sockets := filepath.Join(folder, "etc/haproxy"), filepath.Join(folder, "var/run/haproxy")
	must(t, os.CopyFS(filepath.Join(settings, "lua"), os.DirFS(filepath.Join(program+".d", "rootfs/etc/lua"))))
	must(t, os.MkdirAll(sockets, 0o755))
	// What it starts with. The controller writes what follows it, and has it read that.
	must(t, os.WriteFile(filepath.Join(settings, "haproxy.cfg"), []byte("defaults\n    mode http\n    timeout server 1s\n    timeout client 1s\n    timeout connect 1s\n"), 0o644))
	master := filepath.Join(sockets, "master.sock")
	inNode(t, folder, nil, "haproxy", "-W", "-S", master+",mode,600", "-f", settings)
	eventually(t, "HAProxy to start", func() (bool, string) {
		_, err := os.Stat(master)
		return err == nil, fmt.Sprint(err)
	})
	inNode(t, program+".d", []string{"POD_NAMESPACE=" + name}, program, "--controller-class="+name, "--ingress-class="+name,
		"--configmap="+name+"/settings", "--publish-address="+address, "--master-socket="+master,
		"--local-filesystem-prefix="+folder, "--rate-limit-update=10", "--healthz-addr=127.0.0.1:"+strconv.Itoa(ports[4]))
	proxy.answers(t, nil, fmt.Sprintf("http://nobody.example.com:%d", proxy.http), http.StatusNotFound, "")
	return proxy
}

// make makes an object of the proxy's surroundings.
func (p *testProxy) make(t *testing.T, conn *connection, kind objectKind, namespace, name string, object map[string]any) {
	t.Helper()
	object["metadata"] = map[string]any{}
	_, err := apply[map[string]any](t.Context(), conn, kind, namespace, name, object)
	must(t, err)
}

// answers waits until a URL is answered by the proxy with a status and, unless it is empty, with a text. The URL's host leads to
// the proxy, as the users' DNS has it.
func (p *testProxy) answers(t *testing.T, roots *x509.CertPool, url string, status int, text string) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(p.address, port))
		},
	}}
	eventually(t, fmt.Sprintf("%s to answer with status %d and %q", url, status, text), func() (bool, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		must(t, err)
		response, err := client.Do(request)
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return err == nil && response.StatusCode == status && (text == "" || text == string(body)), response.Status + ": " + string(body)
	})
}

// servesTwo has two enclaves exposed through the proxy, one before its service is made and one after it, and checks that all ports
// of both answer at the URLs that the enclaves report. It gives the first one's.
func (p *testProxy) servesTwo(t *testing.T, full, backend *Backend, image string, exposure *enclave.Exposure) (name, other, url string) {
	t.Helper()
	name, other = makeEnclave(t, backend), makeEnclave(t, backend)
	expose(t, backend, name, exposure)
	must(t, createAndStart(t.Context(), backend, name, named(t, full, image, "first")))
	must(t, createAndStart(t.Context(), backend, other, named(t, full, image, "other")))
	if url := portURL(t, backend, other, "http"); url != "" {
		t.Errorf("nothing of it is exposed: %s", url)
	}
	expose(t, backend, other, exposure)
	url = portURL(t, backend, name, "http")
	if want := fmt.Sprintf("http://http-api-%s.dev.example.com:%d", name, p.http); url != want {
		t.Errorf("the URL is %s, want %s", url, want)
	}
	for _, port := range []string{"http", "admin"} {
		p.answers(t, nil, portURL(t, backend, name, port)+"/env/NAME", http.StatusOK, "first")
		p.answers(t, nil, portURL(t, backend, other, port)+"/env/NAME", http.StatusOK, "other")
	}
	return name, other, url
}

// servesSecurely has an enclave exposed by what ends TLS, and checks that its service answers with a text at the URL that it reports.
func (p *testProxy) servesSecurely(t *testing.T, backend *Backend, name string, exposure *enclave.Exposure, roots *x509.CertPool, text string) {
	t.Helper()
	expose(t, backend, name, exposure)
	url := portURL(t, backend, name, "http")
	if want := fmt.Sprintf("https://http-api-%s.dev.example.com:%d", name, p.https); url != want {
		t.Errorf("the URL is %s, want %s", url, want)
	}
	p.answers(t, roots, url+"/env/NAME", http.StatusOK, text)
}

// servesNoMore ends the exposure of one enclave and removes the service of another, and checks that neither answers any more.
func (p *testProxy) servesNoMore(t *testing.T, backend *Backend, name, other, url string) {
	t.Helper()
	expose(t, backend, name, &enclave.Exposure{Mode: enclave.ExposeNone})
	if url := portURL(t, backend, name, "http"); url != "" {
		t.Errorf("nothing is exposed any more: %s", url)
	}
	p.answers(t, nil, url+"/env/NAME", http.StatusNotFound, "")
	must(t, backend.RemoveService(t.Context(), other, "api"))
	p.answers(t, nil, strings.Replace(url, name, other, 1)+"/env/NAME", http.StatusNotFound, "")
}
