package kubernetes

import (
	"errors"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func decimal(number int) string { return strconv.Itoa(number) }

// Each reason for which a service does not start is told, in time.
func TestKubernetesExplainsStarts(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	for what, item := range map[string]struct {
		change func(*enclave.ServiceRequest)
		want   []string
	}{
		"image that is nowhere": {func(request *enclave.ServiceRequest) {
			request.Image.ID = "registry.invalid/sundog-test/missing:1"
		}, []string{"registry.invalid/sundog-test/missing:1", "pull"}},
		"image that may not be pulled": {func(request *enclave.ServiceRequest) {
			request.Image.ID, request.Image.Policy = "registry.invalid/sundog-test/missing:1", enclave.ImageNever
		}, []string{"registry.invalid/sundog-test/missing:1", "ErrImageNeverPull"}},
		"no node": {func(request *enclave.ServiceRequest) {
			request.Spec.NodeSelectors = map[string]string{"sundog.dev/no-such": "label"}
		}, []string{"no node takes its pod", "node affinity/selector", "no node has the labels sundog.dev/no-such=label"}},
		"no node that is large enough": {func(request *enclave.ServiceRequest) {
			request.Spec.MinCPU = 9_000_000
		}, []string{"no node takes its pod", "Insufficient cpu"}},
		"a device that no node has": {func(request *enclave.ServiceRequest) {
			request.Spec.GPU = &plan.GPU{Count: 1, KubernetesDriver: "example.com/gpu"}
		}, []string{"no node takes its pod", "Insufficient example.com/gpu"}},
		"program that is not there": {func(request *enclave.ServiceRequest) {
			request.Spec.Entrypoint = []string{"/no/such/program"}
		}, []string{"/no/such/program", "no such file"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			name := makeEnclave(t, backend)
			_, err := backend.CreateService(t.Context(), name, serviceRequest(t, backend, images.Service, item.change))
			must(t, err)
			begun := time.Now()
			_, err = backend.StartService(t.Context(), name, "api")
			mentions(t, err, append(item.want, `"api"`, name)...)
			if time.Since(begun) > 90*time.Second {
				t.Errorf("it took %s", time.Since(begun))
			}
		})
	}
}

// A quota that leaves no room is named.
func TestKubernetesExplainsQuotas(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	conn, err := backend.connect()
	must(t, err)
	quotas := objectKind{"/api/v1", "ResourceQuota", "resourcequotas", "v1"}
	_, err = create(t.Context(), conn, quotas, namespaceName(name), &corev1.ResourceQuota{
		TypeMeta: quotas.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	})
	must(t, err)
	_, err = backend.CreateService(t.Context(), name, serviceRequest(t, backend, images.Service, nil))
	must(t, err)
	// The quota counts once its controller has seen it.
	eventually(t, "the quota", func() (bool, string) {
		quota, err := get[corev1.ResourceQuota](t.Context(), conn, quotas, namespaceName(name), "none")
		must(t, err)
		return len(quota.Status.Hard) > 0, "not counted"
	})
	_, err = backend.StartService(t.Context(), name, "api")
	mentions(t, err, `"api"`, "not admitted", "exceeded quota", "none")
}

// A namespace that is kept from going says by what.
func TestKubernetesExplainsRemovals(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	name := makeEnclave(t, backend)
	conn, err := backend.connect()
	must(t, err)
	kept := &corev1.ConfigMap{TypeMeta: configMaps.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: "kept", Finalizers: []string{"example.com/hold"}}}
	_, err = create(t.Context(), conn, configMaps, namespaceName(name), kept)
	must(t, err)
	ctx, cancel := contextFor(t, 30*time.Second)
	defer cancel()
	err = backend.RemoveEnclave(ctx, name)
	mentions(t, err, name, namespaceName(name), "example.com/hold", "configmaps", "configmap kept is left", "remove the enclave again")
	must(t, conn.do(t.Context(), call{
		verb: "PATCH", path: configMaps.path(namespaceName(name), "kept"), mediaType: "application/merge-patch+json",
		body: map[string]any{"metadata": map[string]any{"finalizers": nil}},
	}, nil))
	must(t, backend.RemoveEnclave(t.Context(), name))
}

// What a pod cannot have is refused before anything is made, with what to do.
func TestKubernetesRefuses(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	for want, change := range map[string]func(*plan.ServiceSpec){
		"devices":        func(spec *plan.ServiceSpec) { spec.Devices = []string{"/dev/kvm"} },
		"gpu.ulimits":    func(spec *plan.ServiceSpec) { spec.GPU = &plan.GPU{Ulimits: map[string]int64{"nofile": 333}} },
		"gpu.device_ids": func(spec *plan.ServiceSpec) { spec.GPU = &plan.GPU{DeviceIDs: []string{"0"}} },
	} {
		_, err := backend.CreateService(t.Context(), name, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) { change(&request.Spec) }))
		mentions(t, err, `"api"`, want, "Kubernetes")
		_, err = backend.Service(t.Context(), name, "api")
		if !errors.Is(err, enclave.ErrNotFound) {
			t.Errorf("%s: got error %v, want ErrNotFound", want, err)
		}
	}
}

// Node ports that are asked for are had, or the error says why not.
func TestKubernetesPinsPorts(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	pin := func(service string, port int) enclave.ServiceRequest {
		return serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
			request.Spec.Name = service
			request.Spec.PublicPorts = map[string]plan.Port{"http": {Number: port}}
		})
	}
	port := images.PublicPort()
	_, err := backend.CreateService(t.Context(), name, pin("first", port))
	must(t, err)
	_, err = backend.CreateService(t.Context(), name, pin("second", port))
	mentions(t, err, `"second"`, `"http"`, decimal(port), "public_ports", "already allocated")
	_, err = backend.Service(t.Context(), name, "second")
	if !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	_, err = backend.CreateService(t.Context(), name, pin("third", 80))
	mentions(t, err, `"third"`, `"http"`, "80", "public_ports", "valid ports")
}
