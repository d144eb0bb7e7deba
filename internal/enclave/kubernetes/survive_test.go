package kubernetes

import (
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// podOf gives the pod of a service.
func podOf(t *testing.T, backend *Backend, name, service string) *corev1.Pod {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	of, err := conn.find(t.Context(), name, service)
	must(t, err)
	if of.pod == nil {
		t.Fatalf("service %q has no pod", service)
	}
	return of.pod
}

// evict does to a pod what draining its node does.
func evict(t *testing.T, backend *Backend, pod *corev1.Pod) {
	t.Helper()
	conn, err := backend.connect()
	must(t, err)
	must(t, conn.do(t.Context(), call{verb: http.MethodPost, path: pods.path(pod.Namespace, pod.Name) + "/eviction", body: map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": pod.Name, "namespace": pod.Namespace},
	}}, nil))
}

// awaitOther waits until a service runs in another pod.
func awaitOther(t *testing.T, backend *Backend, name, service string, before *corev1.Pod) {
	t.Helper()
	eventually(t, service+" to run in another pod", func() (bool, string) {
		found, err := backend.Service(t.Context(), name, service)
		must(t, err)
		if found.State != enclave.StateRunning {
			return false, string(found.State)
		}
		return podOf(t, backend, name, service).UID != before.UID, "the same pod"
	})
}

// A service that is drained ends without an error, as most do when they are asked to. It comes back all the same, with its
// data.
func TestKubernetesServicesSurviveEviction(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Cmd = append(request.Spec.Cmd, "-at-end", "/data/flushed=yes")
		request.Spec.Files = map[string]plan.Mount{"/data": {PersistentKey: "store"}}
	})
	must(t, createAndStart(t.Context(), backend, name, request))
	before, err := backend.Service(t.Context(), name, "api")
	must(t, err)
	exec1(t, backend, name, "api", "write", "/data/a.txt", "kept")
	for range 2 {
		pod := podOf(t, backend, name, "api")
		evict(t, backend, pod)
		awaitOther(t, backend, name, "api", pod)
		for file, want := range map[string]string{"/data/a.txt": "kept", "/data/flushed": "yes"} {
			if got := exec1(t, backend, name, "api", "cat", file); got != want {
				t.Errorf("%s: got %q, want %q", file, got, want)
			}
		}
	}
	after, err := backend.Service(t.Context(), name, "api")
	must(t, err)
	if after.ID != before.ID || after.IPAddress != before.IPAddress || after.Ports["http"] != before.Ports["http"] {
		t.Errorf("the service became %+v, was %+v", after, before)
	}
}

// Whoever deletes a pod by hand has it made again too; whoever stops a service has not.
func TestKubernetesServicesSurviveTheirPod(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	must(t, createAndStart(t.Context(), backend, name, serviceRequest(t, backend, images.Service, nil)))
	conn, err := backend.connect()
	must(t, err)
	pod := podOf(t, backend, name, "api")
	must(t, conn.remove(t.Context(), pods, pod.Namespace, pod.Name, deletion{}))
	awaitOther(t, backend, name, "api", pod)
	must(t, backend.StopService(t.Context(), name, "api"))
	left, err := list[corev1.Pod](t.Context(), conn, pods, namespaceName(name), ofService("api"))
	must(t, err)
	if found := awaitState(t, backend, name, "api", enclave.StateStopped); len(left) > 0 {
		t.Errorf("%d pods are left of %+v", len(left), found)
	}
}

// What ends by itself stays as it ended: with its code, and without another try.
func TestKubernetesServicesThatEndStayEnded(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	for service, code := range map[string]int{"done": 0, "failed": 3, "odd": guardCode} {
		request := serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
			request.Spec.Name, request.Spec.Ports = service, nil
			request.Spec.Cmd = []string{"serve", "-after", "100ms", "-exit", decimal(code), "-lines", "of " + service}
		})
		must(t, createAndStart(t.Context(), backend, name, request))
	}
	conn, err := backend.connect()
	must(t, err)
	for service, code := range map[string]int{"done": 0, "failed": 3, "odd": guardCode} {
		if found := awaitState(t, backend, name, service, enclave.StateExited); found.ExitCode != code {
			t.Errorf("%s: exit code %d, want %d", service, found.ExitCode, code)
		}
		eventually(t, service+" to be over for Kubernetes", func() (bool, string) {
			pod := podOf(t, backend, name, service)
			return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed, string(pod.Status.Phase)
		})
		made, err := list[corev1.Pod](t.Context(), conn, pods, namespaceName(name), ofService(service))
		must(t, err)
		if len(made) != 1 {
			t.Errorf("%s: %d pods were made, want 1", service, len(made))
		}
	}
}
