package kubernetes

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// enforce has something that people use, kube-router, enforce the NetworkPolicies of the cluster until the test ends.
func enforce(t *testing.T, backend *Backend) {
	t.Helper()
	program := alone(t, "SUNDOG_TEST_NETWORK_POLICIES", "kube-router")
	conn, err := backend.connect()
	must(t, err)
	nodes, err := list[corev1.Node](t.Context(), conn, objectKind{"/api/v1", "Node", "nodes", "v1"}, "", "")
	must(t, err)
	if len(nodes) != 1 {
		t.Skipf("the cluster has %d nodes, and the test can enforce policies on one", len(nodes))
	}
	script, err := filepath.Abs("testdata/enforce.sh")
	must(t, err)
	inNodeByScript(t, "", nil, "sh", script, program, os.Getenv("KUBECONFIG"), nodes[0].Name)
}

// asks tells what a service gets from a URL.
func asks(t *testing.T, backend *Backend, name, service, url string) (ok bool, said string) {
	t.Helper()
	result, err := backend.Exec(t.Context(), name, service, enclave.ExecRequest{Command: []string{enclavetest.ServiceProgram, "get", url}})
	must(t, err)
	return result.Code == 0, result.Output
}

// outside tells whether this machine, which is no part of the cluster, gets an answer from a URL.
func outside(t *testing.T, url string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	response, err := (&http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// isolated is an enclave with two services, as others and itself see it.
type isolatedEnclave struct {
	backend *Backend
	name    string
}

// urls are all ways in which pods of the cluster can ask for a service.
func (e *isolatedEnclave) urls(t *testing.T) map[string]string {
	t.Helper()
	found, err := e.backend.Service(t.Context(), e.name, "api")
	must(t, err)
	return map[string]string{
		"its pod's address":  "http://" + net.JoinHostPort(podOf(t, e.backend, e.name, "api").Status.PodIP, "8080"),
		"its stable address": "http://" + net.JoinHostPort(found.IPAddress, "8080"),
		"its name":           "http://api." + namespaceName(e.name) + ":8080",
	}
}

// isReached checks who reaches the service api: its own enclave always does, by its host name too.
func (e *isolatedEnclave) isReached(t *testing.T, when string, by *isolatedEnclave, want bool) {
	t.Helper()
	for how, url := range e.urls(t) {
		eventually(t, fmt.Sprintf("another enclave to reach it by %s %s: %t", how, when, want), func() (bool, string) {
			ok, said := asks(t, by.backend, by.name, "api", url)
			return ok == want, said
		})
		if ok, said := asks(t, e.backend, e.name, "peer", url); !ok {
			t.Errorf("its own enclave does not reach it by %s %s: %s", how, when, said)
		}
	}
	if ok, said := asks(t, e.backend, e.name, "peer", "http://api:8080"); !ok {
		t.Errorf("its own enclave does not reach it by its host name %s: %s", when, said)
	}
}

// isReachedFromOutside checks whether this machine reaches the pod of the service api itself.
func (e *isolatedEnclave) isReachedFromOutside(t *testing.T, when string, want bool) {
	t.Helper()
	url := e.urls(t)["its pod's address"]
	eventually(t, fmt.Sprintf("the pod to be reached from outside %s: %t", when, want), func() (bool, string) { return outside(t, url) == want, url })
}

// What the NetworkPolicies of enclaves say is so where something enforces them: others are kept out, nobody else is.
func TestKubernetesAloneEnforcesIsolation(t *testing.T) {
	backend := kubernetesBackend(t)
	enforce(t, backend)
	images := testImages(t)
	conn, err := backend.connect()
	must(t, err)
	node, err := backend.nodeAddress(t.Context(), conn)
	must(t, err)
	makeOne := func() *isolatedEnclave {
		made := &isolatedEnclave{backend, makePolicedEnclave(t, backend, nil)}
		expose(t, backend, made.name, &enclave.Exposure{Mode: enclave.ExposeNone})
		for _, service := range []string{"api", "peer"} {
			request := named(t, backend, images.Service, "first")
			request.Spec.Name = service
			must(t, createAndStart(t.Context(), backend, made.name, request))
		}
		return made
	}
	mine, theirs := makeOne(), makeOne()
	mine.isReached(t, "when both are isolated", theirs, false)
	theirs.isReached(t, "when both are isolated", mine, false)
	mine.isReachedFromOutside(t, "while nothing is published", false)

	// What comes through the API server is no business of policies.
	dialed, err := backend.Dial(t.Context(), mine.name, "api", "tcp", 5432)
	must(t, err)
	_, err = io.WriteString(dialed, "hello")
	must(t, err)
	echoed := make([]byte, 5)
	_, err = io.ReadFull(dialed, echoed)
	must(t, err)
	must(t, dialed.Close())

	change := func(policy *enclave.Policy) {
		_, err := backend.UpdateEnclave(t.Context(), enclave.Spec{Name: mine.name, Owner: testOwner, Policy: policy})
		must(t, err)
	}
	change(&enclave.Policy{Open: true})
	mine.isReached(t, "when it is open", theirs, true)
	theirs.isReached(t, "when only the other one is open", mine, false)
	change(&enclave.Policy{})
	mine.isReached(t, "when it is isolated again", theirs, false)

	published := func(when string) {
		t.Helper()
		found, err := backend.Service(t.Context(), mine.name, "api")
		must(t, err)
		fetchURL(t, found.Ports["http"].HostURL())
		if !strings.Contains(found.Ports["http"].HostURL(), node) {
			t.Errorf("%s: the URL is %s", when, found.Ports["http"].HostURL())
		}
	}
	expose(t, backend, mine.name, &enclave.Exposure{Mode: enclave.ExposeNodePort, NodeAddress: node})
	published("pods that were there before it was published")
	request := named(t, backend, images.Service, "second")
	must(t, createAndStart(t.Context(), backend, mine.name, request))
	published("a pod that was made when it was published")
	theirs.isReached(t, "when the other one is published", mine, false)

	expose(t, backend, mine.name, &enclave.Exposure{Mode: enclave.ExposeNone})
	mine.isReachedFromOutside(t, "when nothing is published any more", false)
	mine.isReached(t, "when nothing is published any more", theirs, false)

	// A proxy is a pod of some other namespace.
	expose(t, backend, mine.name, &enclave.Exposure{Mode: enclave.ExposeIngress, Ingress: &enclave.Ingress{Host: "{port}-{service}-{enclave}.example.com", Class: "none"}})
	mine.isReached(t, "when a proxy is to pass traffic on to pods that were there before", theirs, true)
	must(t, createAndStart(t.Context(), backend, mine.name, named(t, backend, images.Service, "third")))
	mine.isReached(t, "when a proxy is to pass traffic on", theirs, true)
	// What has no host is for nobody else.
	other := strings.Replace(mine.urls(t)["its pod's address"], ":8080", ":7070", 1)
	if ok, said := asks(t, backend, mine.name, "peer", other); !ok {
		t.Errorf("its own enclave does not reach a port that is not published: %s", said)
	}
	if ok, said := asks(t, backend, theirs.name, "api", other); ok {
		t.Errorf("another enclave reaches a port that is not published: %s", said)
	}
	expose(t, backend, mine.name, &enclave.Exposure{Mode: enclave.ExposeNone})
	mine.isReached(t, "when no proxy passes traffic on any more", theirs, false)
}
