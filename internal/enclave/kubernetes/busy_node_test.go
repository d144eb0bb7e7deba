package kubernetes

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A container that its node will yet make is waited for, for a while; one that cannot be made fails at once.
func TestBusyNodesAreWaitedFor(t *testing.T) {
	t.Parallel()
	for what, item := range map[string]struct {
		reason, message string
		want            bool
	}{
		"secret not read in time": {"CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition", true},
		"secret not read yet":     {"CreateContainerConfigError", `object "dev"/"env" not registered`, true},
		"slow runtime":            {"CreateContainerError", "context deadline exceeded", true},
		"slow runtime goes on":    {"CreateContainerError", `failed to reserve container name "api": name "api" is reserved for "4f"`, true},
		"no such secret":          {"CreateContainerConfigError", `secret "env" not found`, false},
		"slow registry":           {"ErrImagePull", "context deadline exceeded", false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			waiter := &startWaiter{}
			_, err := waiter.visit(&corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name: containerService, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: item.reason, Message: item.message}},
			}}}})
			if err == nil {
				t.Fatal("the container counts as made")
			}
			if got := waiter.nodeIsBusy(err); got != item.want {
				t.Errorf("got %t, want %t", got, item.want)
			}
			waiter.busy = time.Now().Add(-busyPatience)
			if waiter.nodeIsBusy(err) {
				t.Error("it is waited for without an end")
			}
		})
	}
}
