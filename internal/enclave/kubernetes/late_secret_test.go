package kubernetes

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A pull for which the node had not got a pull secret that is there is waited for, once and for a while.
func TestPullsWaitForALateSecret(t *testing.T) {
	t.Parallel()
	for what, item := range map[string]struct {
		event, reason string
		there, want   bool
	}{
		"late":                  {eventNoPullSecret, "ErrImagePull", true, true},
		"late, backing off":     {eventNoPullSecret, "ImagePullBackOff", true, true},
		"no such secret":        {eventNoPullSecret, "ErrImagePull", false, false},
		"the node had it":       {"Failed", "ErrImagePull", true, false},
		"no failure of pulling": {eventNoPullSecret, "CreateContainerError", true, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conn := stubCluster(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				switch {
				case strings.HasSuffix(r.URL.Path, "/events"):
					_ = json.NewEncoder(w).Encode(corev1.EventList{Items: []corev1.Event{{InvolvedObject: corev1.ObjectReference{Name: "api"}, Reason: item.event}}})
				case item.there:
					_ = json.NewEncoder(w).Encode(corev1.Secret{})
				default:
					w.WriteHeader(http.StatusNotFound)
					_ = json.NewEncoder(w).Encode(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
				}
			})
			waiter := &startWaiter{conn: conn, namespace: "dev", service: "api", pods: &lookout{conn: conn, namespace: "dev"}, pod: &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "api"}, Spec: corev1.PodSpec{ImagePullSecrets: []corev1.LocalObjectReference{{Name: "pull"}}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: item.reason}}}}},
			}}
			if got := waiter.secretIsLate(t.Context()); got != item.want {
				t.Errorf("got %t, want %t", got, item.want)
			}
			waiter.lateSecret = time.Now().Add(-lateSecretPatience)
			if waiter.secretIsLate(t.Context()) {
				t.Error("it is waited for without an end")
			}
		})
	}
}
