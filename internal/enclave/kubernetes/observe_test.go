package kubernetes

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// A pod that is evicted may run for a while yet, but whoever needs its service needs the next one.
func TestPodsThatGoDoNotCount(t *testing.T) {
	t.Parallel()
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}}
	going := metav1.Now()
	evicted := []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}
	for _, test := range []struct {
		name       string
		state      corev1.ContainerState
		deleted    *metav1.Time
		conditions []corev1.PodCondition
		want       enclave.State
	}{
		{"running", running, nil, nil, enclave.StateRunning},
		{"running, on its way out", running, &going, nil, enclave.StateStarting},
		{"running, evicted", running, nil, evicted, enclave.StateStarting},
		{"ended by itself", ended, nil, nil, enclave.StateExited},
		{"ended, on its way out", ended, &going, nil, enclave.StateStarting},
		{"ended, evicted", ended, nil, evicted, enclave.StateStarting},
	} {
		of := &parts{service: &corev1.Service{}, job: &batchv1.Job{}, pod: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: test.deleted},
			Status: corev1.PodStatus{
				Conditions: test.conditions, ContainerStatuses: []corev1.ContainerStatus{{Name: containerService, State: test.state}},
			},
		}}
		described := &enclave.Service{}
		if of.describe(described); described.State != test.want {
			t.Errorf("%s: it is %s, want %s", test.name, described.State, test.want)
		}
	}
}

// The container runtime can miss that it was the kernel which killed a process.
func TestKilledForMemory(t *testing.T) {
	t.Parallel()
	bound := corev1.ResourceList{corev1.ResourceMemory: megabytes(20)}
	for _, test := range []struct {
		name   string
		reason string
		code   int32
		limits corev1.ResourceList
		want   bool
	}{
		{"told", reasonOOM, killedCode, bound, true},
		{"told, by a node without memory", reasonOOM, killedCode, nil, true},
		{"missed", "Error", killedCode, bound, true},
		{"killed without a bound", "Error", killedCode, nil, false},
		{"ended with a bound", "Error", 1, bound, false},
	} {
		ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: test.code, Reason: test.reason}}
		of := &parts{service: &corev1.Service{}, job: &batchv1.Job{}, pod: &corev1.Pod{
			Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: containerService, Resources: corev1.ResourceRequirements{Limits: test.limits}}}},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: containerService, State: ended}}},
		}}
		described := &enclave.Service{}
		if of.describe(described); described.OutOfMemory != test.want {
			t.Errorf("%s: out of memory is %t, want %t", test.name, described.OutOfMemory, test.want)
		}
	}
}
