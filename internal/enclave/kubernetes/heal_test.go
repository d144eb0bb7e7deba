package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

var errCut = errors.New("the process was killed")

// cuttingTransport lets some requests through and then none: what a process that is killed does.
type cuttingTransport struct {
	http.RoundTripper
	left *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c cuttingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if c.left.Add(-1) < 0 {
		return nil, errCut
	}
	return c.RoundTripper.RoundTrip(request)
}

// cutBackend is a backend that is killed after some requests. It tells how many more it wanted.
func cutBackend(t *testing.T, after int64) (*Backend, *atomic.Int64) {
	t.Helper()
	backend := kubernetesBackend(t)
	conn, err := backend.connect()
	must(t, err)
	left := &atomic.Int64{}
	left.Store(after)
	conn.rest.Client = &http.Client{Transport: cuttingTransport{conn.http.Transport, left}}
	return backend, left
}

func healRequest(t *testing.T, backend *Backend, image, digest string) enclave.ServiceRequest {
	t.Helper()
	return serviceRequest(t, backend, image, func(request *enclave.ServiceRequest) {
		request.Digest = digest
		request.Spec.Env = map[string]string{"DIGEST": digest, "OWN": "KURTOSIS_IP_ADDR_PLACEHOLDER"}
		request.Spec.IPPlaceholder = "KURTOSIS_IP_ADDR_PLACEHOLDER"
		request.Spec.Aliases = []string{"legacy"}
		request.Spec.Files = map[string]plan.Mount{"/keep": {PersistentKey: "store"}}
	})
}

// Wherever somebody is cut off, the next one has what it wants, and nothing of the first one is left beside it.
func TestKubernetesHealsWhatWasCutOff(t *testing.T) {
	t.Parallel()
	whole := kubernetesBackend(t)
	images := testImages(t)
	for _, replacing := range []bool{false, true} {
		for after := int64(1); after < 30; after += 1 + rand.Int64N(4) {
			t.Run(fmt.Sprintf("replacing %v, cut after %d", replacing, after), func(t *testing.T) {
				t.Parallel()
				name := makeEnclave(t, whole)
				if replacing {
					must(t, createAndStart(t.Context(), whole, name, healRequest(t, whole, images.Service, "d1")))
				}
				cut, _ := cutBackend(t, after)
				err := createAndStart(t.Context(), cut, name, healRequest(t, cut, images.Service, "d2"))
				if err != nil && !strings.Contains(err.Error(), errCut.Error()) {
					t.Fatal(err)
				}
				_, err = whole.Observe(t.Context(), name)
				must(t, err)
				must(t, createAndStart(t.Context(), whole, name, healRequest(t, whole, images.Service, "d3")))
				if got := exec1(t, whole, name, "api", "env", "DIGEST"); got != "d3" {
					t.Errorf("the service is of %q", got)
				}
				checkAlone(t, whole, name)
				must(t, whole.RemoveService(t.Context(), name, "api"))
				_, err = whole.Service(t.Context(), name, "api")
				if !errors.Is(err, enclave.ErrNotFound) {
					t.Errorf("got error %v, want ErrNotFound", err)
				}
			})
		}
	}
}

// A service whose removal was cut off counts as one to be made anew as soon as anything of it may be missing.
func TestKubernetesHealsRemovals(t *testing.T) {
	t.Parallel()
	whole := kubernetesBackend(t)
	images := testImages(t)
	for after := range int64(8) {
		t.Run(fmt.Sprintf("cut after %d", after), func(t *testing.T) {
			t.Parallel()
			name := makeEnclave(t, whole)
			must(t, createAndStart(t.Context(), whole, name, healRequest(t, whole, images.Service, "d1")))
			cut, _ := cutBackend(t, after)
			removal := cut.RemoveService(t.Context(), name, "api")
			if removal != nil && !strings.Contains(removal.Error(), errCut.Error()) {
				t.Fatal(removal)
			}
			snapshot, err := whole.Observe(t.Context(), name)
			must(t, err)
			found, there := snapshot.Services["api"]
			if there && found.Digest != "" && found.State != enclave.StateRunning {
				t.Errorf("half of it is gone, and it counts as what is wanted: %+v", found)
			}
			if there && removal == nil {
				t.Errorf("it was removed, and is there: %+v", found)
			}
			must(t, createAndStart(t.Context(), whole, name, healRequest(t, whole, images.Service, "d1")))
			checkAlone(t, whole, name)
		})
	}
}

// checkAlone checks that a service is there once.
func checkAlone(t *testing.T, backend *Backend, name string) {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	namespace, which := namespaceName(name), ofService("api")
	eventually(t, "what is replaced to go", func() (bool, string) {
		madeJobs, err := list[batchv1.Job](t.Context(), conn, jobs, namespace, which)
		must(t, err)
		madePods, err := list[corev1.Pod](t.Context(), conn, pods, namespace, which)
		must(t, err)
		manifests, err := list[corev1.Secret](t.Context(), conn, secrets, namespace, which)
		must(t, err)
		count := fmt.Sprintf("%d jobs, %d pods, %d secrets", len(madeJobs), len(madePods), len(manifests))
		return count == "1 jobs, 1 pods, 1 secrets", count
	})
}

// An enclave whose making or removal was cut off is made whole, or removed, by the next one.
func TestKubernetesHealsEnclaves(t *testing.T) {
	t.Parallel()
	whole := kubernetesBackend(t)
	for after := range int64(6) {
		t.Run(fmt.Sprintf("cut after %d", after), func(t *testing.T) {
			t.Parallel()
			name := makeEnclave(t, whole)
			must(t, whole.PutArtifact(t.Context(), name, "d1", func(w io.Writer) error {
				_, err := io.WriteString(w, "x")
				return err
			}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cut, _ := cutBackend(t, after)
			if err := cut.RemoveEnclave(ctx, name); err != nil && !strings.Contains(err.Error(), errCut.Error()) {
				t.Fatal(err)
			}
			again, _ := cutBackend(t, after)
			if _, err := again.CreateEnclave(ctx, enclave.Spec{Name: name, Owner: testOwner}); err != nil && !strings.Contains(err.Error(), errCut.Error()) {
				t.Fatal(err)
			}
			made, err := whole.CreateEnclave(t.Context(), enclave.Spec{Name: name, Owner: testOwner})
			must(t, err)
			if len(made.Key) != keySize {
				t.Errorf("the key has %d bytes", len(made.Key))
			}
			must(t, whole.WriteRecord(t.Context(), name, "run/shop", []byte("text")))
		})
	}
}

// A service whose Secret somebody has removed cannot be started, and counts as one that is to be made anew.
func TestKubernetesHealsALostSecret(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service, nil)
	_, err := backend.CreateService(t.Context(), name, request)
	must(t, err)
	conn, err := backend.connect()
	must(t, err)
	must(t, conn.removeAll(t.Context(), secrets, namespaceName(name), ofService("api"), deletion{}))
	// Whoever has made the service knows what it is started from.
	_, err = kubernetesBackend(t).StartService(t.Context(), name, "api")
	mentions(t, err, "api", name, "half-made", "apply again")
	found, err := backend.Service(t.Context(), name, "api")
	must(t, err)
	if found.Digest != "" {
		t.Errorf("the service still counts as what is wanted: digest %q", found.Digest)
	}
	must(t, createAndStart(t.Context(), backend, name, request))
}

// Who removes an artifact and is cut off after its Secret leaves parts, which the next removal finds.
func TestKubernetesHealsRemovalsOfArtifacts(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	conn, err := backend.connect()
	must(t, err)
	name := makeEnclave(t, backend)
	must(t, backend.PutArtifact(t.Context(), name, "d1", func(w io.Writer) error {
		_, err := io.WriteString(w, "x")
		return err
	}))
	namespace, parts := namespaceName(name), selector(ofRole(rolePart), labelOf+"="+artifactName("d1"))
	must(t, conn.remove(t.Context(), secrets, namespace, artifactName("d1"), deletion{}))
	if left, err := list[corev1.Secret](t.Context(), conn, secrets, namespace, parts); err != nil || len(left) != 1 {
		t.Fatalf("there are %d parts (%v), want 1", len(left), err)
	}
	must(t, backend.RemoveArtifacts(t.Context(), name, []string{"d1"}))
	if left, err := list[corev1.Secret](t.Context(), conn, secrets, namespace, parts); err != nil || len(left) != 0 {
		t.Errorf("%d parts are left (%v)", len(left), err)
	}
}

// A server that is cut off after it has stored an artifact's Secret, and before it says so, has stored the artifact.
func TestKubernetesKeepsAnArtifactWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	conn, err := backend.connect()
	must(t, err)
	name := makeEnclave(t, backend)
	conn.rest.Client = &http.Client{Transport: forgetful{conn.http.Transport, "/secrets", artifactName("d1")}}
	must(t, backend.PutArtifact(t.Context(), name, "d1", func(w io.Writer) error {
		_, err := io.WriteString(w, "x")
		return err
	}))
	content, err := kubernetesBackend(t).Artifact(t.Context(), name, "d1")
	must(t, err)
	defer content.Close()
	if text, err := io.ReadAll(content); err != nil || string(text) != "x" {
		t.Errorf("it holds %q (%v)", text, err)
	}
}

// forgetful is a transport that loses the answer to the making of one object.
type forgetful struct {
	http.RoundTripper
	path, object string
}

// RoundTrip implements http.RoundTripper.
func (f forgetful) RoundTrip(request *http.Request) (*http.Response, error) {
	lost := false
	if request.Method == http.MethodPost && strings.HasSuffix(request.URL.Path, f.path) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		lost = strings.Contains(string(body), `"name":"`+f.object+`"`)
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := f.RoundTripper.RoundTrip(request)
	if err == nil && lost {
		_ = response.Body.Close()
		return nil, errCut
	}
	return response, err
}
