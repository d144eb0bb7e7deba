package kubernetes

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// podFor is the pod that a service would get.
func podFor(t *testing.T, spec plan.ServiceSpec) *corev1.PodTemplateSpec {
	t.Helper()
	spec.Name = "api"
	work := &workload{enclave: "dev", generation: "0123", request: enclave.ServiceRequest{Run: "shop", Spec: spec, Image: enclave.Image{Name: "example/api:1"}}}
	pod, err := work.pod(nil)
	must(t, err)
	return pod
}

// amounts are a container's requests and limits of one resource, as text; "-" where there is none.
func amounts(container *corev1.Container, name corev1.ResourceName) [2]string {
	text := func(list corev1.ResourceList) string {
		amount, there := list[name]
		if !there {
			return "-"
		}
		return amount.String()
	}
	return [2]string{text(container.Resources.Requests), text(container.Resources.Limits)}
}

// What is asked for at least is reserved, what is allowed at most is the limit; and a bound alone reserves nothing, where
// Kubernetes would reserve all of it.
func TestPodsReserveWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	for what, item := range map[string]struct {
		spec        plan.ServiceSpec
		cpu, memory [2]string
	}{
		"nothing":        {plan.ServiceSpec{}, [2]string{"-", "-"}, [2]string{"-", "-"}},
		"least":          {plan.ServiceSpec{MinCPU: 250, MinMemory: 64}, [2]string{"250m", "-"}, [2]string{"64M", "-"}},
		"most":           {plan.ServiceSpec{MaxCPU: 1500, MaxMemory: 128}, [2]string{"0", "1500m"}, [2]string{"0", "128M"}},
		"least and most": {plan.ServiceSpec{MinCPU: 250, MaxCPU: 500, MinMemory: 64, MaxMemory: 128}, [2]string{"250m", "500m"}, [2]string{"64M", "128M"}},
	} {
		container := podFor(t, item.spec).Spec.Containers[0]
		if cpu, memory := amounts(&container, corev1.ResourceCPU), amounts(&container, corev1.ResourceMemory); cpu != item.cpu || memory != item.memory {
			t.Errorf("%s: cpu is %v, memory %v; want %v and %v", what, cpu, memory, item.cpu, item.memory)
		}
	}
}

// Processors for graphics are resources of a device plugin, named by the driver.
func TestPodsAskForGPUs(t *testing.T) {
	t.Parallel()
	for name, gpu := range map[corev1.ResourceName]plan.GPU{
		"nvidia.com/gpu": {Count: 2}, "amd.com/gpu": {Count: 2, KubernetesDriver: "amd.com/gpu"}, "example.com/mig-1g.5gb": {Count: 2, KubernetesDriver: "example.com/mig-1g.5gb"},
	} {
		pod := podFor(t, plan.ServiceSpec{GPU: &gpu})
		if got := amounts(&pod.Spec.Containers[0], name); got[1] != "2" {
			t.Errorf("%s: requests and limits are %v", name, got)
		}
		if got := amounts(&pod.Spec.Containers[1], name); got[1] != "-" {
			t.Errorf("%s: the guard takes %v", name, got)
		}
	}
}

func TestPodsRunAsWhomTheyAreToldTo(t *testing.T) {
	t.Parallel()
	group := int64(200)
	spec := plan.ServiceSpec{
		User: &plan.User{UID: 100, GID: &group}, Files: map[string]plan.Mount{"/keep": {PersistentKey: "store"}}, Capabilities: []string{"CAP_NET_ADMIN", "CHOWN"},
		NodeSelectors: map[string]string{"disk": "fast"}, Labels: map[string]string{"team": "shop", "sundog.dev/run": "other"},
		Tolerations: []plan.Toleration{{Key: "spot", Operator: "Exists"}},
	}
	pod := podFor(t, spec)
	security := pod.Spec.SecurityContext
	if *security.RunAsUser != 100 || *security.RunAsGroup != 200 || *security.FSGroup != 200 {
		t.Errorf("security is %s", mustMarshal(t, security))
	}
	if added := pod.Spec.Containers[0].SecurityContext.Capabilities.Add; !slices.Equal(added, []corev1.Capability{"NET_ADMIN", "CHOWN"}) {
		t.Errorf("capabilities are %v", added)
	}
	if pod.Spec.NodeSelector["disk"] != "fast" || len(pod.Spec.Tolerations) != 1 || pod.Labels["team"] != "shop" || pod.Labels[enclave.LabelRun] != "shop" {
		t.Errorf("selectors are %v, tolerations %v, labels %v", pod.Spec.NodeSelector, pod.Spec.Tolerations, pod.Labels)
	}
	// Without a group of the service's own the volume gets one that nothing else has.
	spec.User = &plan.User{UID: 100}
	if got := *podFor(t, spec).Spec.SecurityContext.FSGroup; got != volumeGroup {
		t.Errorf("the volume's group is %d", got)
	}
	// A service without persistent directories needs none.
	if got := podFor(t, plan.ServiceSpec{}).Spec.SecurityContext; got.FSGroup != nil || got.RunAsUser != nil {
		t.Errorf("security is %s", mustMarshal(t, got))
	}
}

// The level restricted changes every container of a pod, and none of what the service may keep.
func TestPodsKeepTheRestrictedLevel(t *testing.T) {
	t.Parallel()
	work := &workload{enclave: "dev", generation: "0123", request: enclave.ServiceRequest{
		Image: enclave.Image{Name: "example/api:1"}, Artifacts: map[string]string{"a": "d1"},
		Spec: plan.ServiceSpec{
			Name: "api", User: &plan.User{UID: 100}, Capabilities: []string{"NET_BIND_SERVICE"},
			Files: map[string]plan.Mount{"/keep": {PersistentKey: "store"}, "/data": {Artifacts: []string{"a"}, Owner: &plan.User{UID: 100}}},
		},
	}}
	job, err := work.job(nil)
	must(t, err)
	policy := &podPolicy{&enclave.Policy{}, enclave.PodSecurityRestricted}
	policy.apply(job)
	pod := job.Spec.Template.Spec
	if !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("security is %s", mustMarshal(t, pod.SecurityContext))
	}
	containers := slices.Concat(pod.InitContainers, pod.Containers)
	if len(containers) != 4 {
		t.Fatalf("there are %d containers, want both that fill mounts, the service and its guard", len(containers))
	}
	for _, container := range containers {
		security := container.SecurityContext
		if *security.AllowPrivilegeEscalation || !slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) || security.RunAsUser != nil {
			t.Errorf("%s: security is %s", container.Name, mustMarshal(t, security))
		}
	}
	if added := pod.Containers[0].SecurityContext.Capabilities.Add; !slices.Equal(added, []corev1.Capability{"NET_BIND_SERVICE"}) {
		t.Errorf("the service's capabilities are %v", added)
	}
}
