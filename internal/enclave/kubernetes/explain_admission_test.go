package kubernetes

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// startFails makes a service whose start must fail soon, and gives the error.
func startFails(t *testing.T, backend *Backend, name string, request enclave.ServiceRequest) error {
	t.Helper()
	_, err := backend.CreateService(t.Context(), name, request)
	must(t, err)
	begun := time.Now()
	_, err = backend.StartService(t.Context(), name, request.Spec.Name)
	if time.Since(begun) > 90*time.Second {
		t.Errorf("it took %s", time.Since(begun))
	}
	return err
}

// A policy of the cluster that refuses pods is told with its own words.
func TestKubernetesExplainsAdmissionPolicies(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	name := makeEnclave(t, backend)
	conn, err := backend.connect()
	must(t, err)
	const group = "admissionregistration.k8s.io/v1"
	policies := objectKind{"/apis/" + group, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", group}
	bindings := objectKind{"/apis/" + group, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", group}
	object := "sundog-test-" + newGeneration()
	t.Cleanup(func() {
		must(t, conn.remove(context.Background(), bindings, "", object, deletion{}))
		must(t, conn.remove(context.Background(), policies, "", object, deletion{}))
	})
	_, err = apply[map[string]any](t.Context(), conn, policies, "", object, map[string]any{"metadata": map[string]any{}, "spec": map[string]any{
		"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
			"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"pods"},
		}}},
		"validations": []any{map[string]any{"expression": "false", "message": "on Thursdays there are no pods"}},
	}})
	must(t, err)
	_, err = apply[map[string]any](t.Context(), conn, bindings, "", object, map[string]any{"metadata": map[string]any{}, "spec": map[string]any{
		"policyName": object, "validationActions": []any{"Deny"},
		"matchResources": map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{enclave.LabelEnclave: name}}},
	}})
	must(t, err)
	// The API server takes note of a policy after a moment.
	eventually(t, "the policy to refuse", func() (bool, string) {
		err := conn.do(t.Context(), call{verb: "POST", path: pods.path(namespaceName(name), ""), query: map[string]string{"dryRun": "All"}, body: &corev1.Pod{
			TypeMeta: pods.typeMeta(), ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: "probe"}}},
		}}, nil)
		return err != nil, "it lets pods in"
	})
	err = startFails(t, backend, name, serviceRequest(t, backend, images.Service, nil))
	mentions(t, err, `"api"`, "not admitted", "on Thursdays there are no pods", "A policy of the cluster refuses it")
}

// What the level of pod security refuses, and what a quota needs to know, is told with what to do.
func TestKubernetesExplainsRefusals(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	images := testImages(t)
	baseline := makePolicedEnclave(t, backend, &enclave.Policy{PodSecurity: enclave.PodSecurityBaseline})
	err := startFails(t, backend, baseline, serviceRequest(t, backend, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Capabilities = []string{"NET_ADMIN"}
	}))
	mentions(t, err, `"api"`, "not admitted", "violates PodSecurity", "NET_ADMIN", "kubernetes.pod_security")

	counted := makePolicedEnclave(t, backend, &enclave.Policy{Quota: map[string]string{"limits.cpu": "2"}})
	conn, err := backend.connect()
	must(t, err)
	eventually(t, "the quota", func() (bool, string) {
		quota, err := get[corev1.ResourceQuota](t.Context(), conn, quotas, namespaceName(counted), policyObject)
		must(t, err)
		return len(quota.Status.Hard) > 0, "not counted"
	})
	err = startFails(t, backend, counted, serviceRequest(t, backend, images.Service, nil))
	mentions(t, err, `"api"`, "not admitted", "must specify limits.cpu", "kubernetes.limit_range")
	// Defaults are what it takes.
	_, err = backend.UpdateEnclave(t.Context(), enclave.Spec{Name: counted, Owner: testOwner, Policy: &enclave.Policy{
		Quota: map[string]string{"limits.cpu": "2"}, Limits: &enclave.Limits{Default: map[string]string{"cpu": "500m"}, DefaultRequest: map[string]string{"cpu": "1m"}},
	}})
	must(t, err)
	must(t, createAndStart(t.Context(), backend, counted, serviceRequest(t, backend, images.Service, nil)))
	limit := podOf(t, backend, counted, "api").Spec.Containers[0].Resources.Limits[corev1.ResourceCPU]
	if limit.Cmp(resource.MustParse("500m")) != 0 {
		t.Errorf("the limit is %s", limit.String())
	}
}

// A volume that cannot be had is told by its claim's own events: the pod only says that it waits.
func TestKubernetesExplainsVolumes(t *testing.T) {
	t.Parallel()
	full := kubernetesBackend(t)
	images := testImages(t)
	backend := New(Options{StorageClass: "sundog-test-no-such-class"})
	t.Cleanup(func() { must(t, backend.Close()) })
	name := makeEnclave(t, backend)
	err := startFails(t, backend, name, serviceRequest(t, full, images.Service, func(request *enclave.ServiceRequest) {
		request.Spec.Files = map[string]plan.Mount{"/keep": {PersistentKey: "store"}}
	}))
	mentions(t, err, `"api"`, "sundog-test-no-such-class", "not found")
}
