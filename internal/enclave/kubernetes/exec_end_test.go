package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A command is given up once its pod has ended, and is left alone as long as that runs.
func TestCommandsEndWithTheirPods(t *testing.T) {
	t.Parallel()
	running := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "api", Namespace: "dev", UID: "1"}}
	failed, other, ended := running, running, running
	failed.Status.Phase = corev1.PodFailed
	other.UID = "2"
	ended.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerService, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
	for what, item := range map[string]struct {
		then *corev1.Pod
		want bool
	}{"it runs on": {&running, false}, "it has failed": {&failed, true}, "it is another one": {&other, true}, "its container has ended": {&ended, true}, "it is gone": {nil, true}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			conn := stubCluster(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				switch {
				case asked.Add(1) < 3:
					_ = json.NewEncoder(w).Encode(running)
				case item.then != nil:
					_ = json.NewEncoder(w).Encode(item.then)
				default:
					w.WriteHeader(http.StatusNotFound)
					_ = json.NewEncoder(w).Encode(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
				}
			})
			bounded, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			command, giveUp := context.WithCancelCause(bounded)
			conn.endWithPod(command, &running, 5*time.Millisecond, giveUp)
			if got := errors.Is(context.Cause(command), errPodEnded); got != item.want {
				t.Errorf("it was given up: %t, want %t", got, item.want)
			}
		})
	}
}
