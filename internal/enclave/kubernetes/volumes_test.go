package kubernetes

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Mounts that fail for a while end a start, longer where only the node lags behind, and not at all once they have come about.
func TestVolumesThatFail(t *testing.T) {
	t.Parallel()
	at := time.Now()
	event := func(kind, reason, message string, after time.Duration) corev1.Event {
		return corev1.Event{InvolvedObject: corev1.ObjectReference{Kind: kind}, Reason: reason, Message: message, LastTimestamp: metav1.NewTime(at.Add(after))}
	}
	failed := event("Pod", "FailedMount", "no such server", time.Second)
	late := event("Pod", "FailedMount", `MountVolume.SetUp failed: object "dev"/"agent" not registered`, time.Second)
	unread := event("Pod", "FailedMount", "failed to sync configmap cache: timed out waiting for the condition", time.Second)
	claim := event(claims.kind, "ProvisioningFailed", "no such class", time.Second)
	for _, test := range []struct {
		name   string
		node   string
		events []corev1.Event
		since  time.Duration
		fails  bool
	}{
		{"at first", "node", []corev1.Event{failed}, 0, false},
		{"for too long", "node", []corev1.Event{failed}, mountPatience, true},
		{"mounted since, and an image is pulled", "node", []corev1.Event{failed, event("Pod", "Pulling", "", 2*time.Second)}, time.Hour, false},
		{"not any more", "node", []corev1.Event{event("Pod", "Pulled", "", 0), failed}, mountPatience, true},
		{"a node that lags behind", "node", []corev1.Event{late}, mountPatience, false},
		{"a node that has not read it in time", "node", []corev1.Event{unread}, mountPatience, false},
		{"a node that lags behind for too long", "node", []corev1.Event{late}, busyPatience, true},
		{"a claim that is not bound", "", []corev1.Event{claim}, mountPatience, true},
		{"a claim that is bound", "node", []corev1.Event{claim}, time.Hour, false},
	} {
		waiter := &startWaiter{pod: &corev1.Pod{Spec: corev1.PodSpec{NodeName: test.node}}}
		if test.since > 0 {
			waiter.failedMount = time.Now().Add(-test.since)
		}
		if err := waiter.judgeVolumes(test.events); (err != nil) != test.fails {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
