package kubernetes

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// endPause lies between two looks at the pod in which a command runs, and between its end and that of the command.
const endPause = 10 * time.Second

// errPodEnded is the end of a command of which the node has told no end.
var errPodEnded = errors.New("the pod in which the command ran has ended, and its node has not told how the command did")

// endWithPod gives a command up whose pod has ended: a node that takes a pod away may forget who waits for a command in it.
// Short commands take no look.
func (c *connection) endWithPod(ctx context.Context, pod *corev1.Pod, every time.Duration, giveUp context.CancelCauseFunc) {
	for pause(ctx, every) == nil {
		now, err := get[corev1.Pod](ctx, c, pods, pod.Namespace, pod.Name)
		if !apierrors.IsNotFound(err) && (err != nil || !hasEnded(now, pod)) {
			continue
		}
		// Its last words may still be on their way.
		if pause(ctx, every) == nil {
			giveUp(errPodEnded)
		}
		return
	}
}

// hasEnded tells whether nothing runs any more in the container of a service, or whether another pod bears the name.
func hasEnded(now, pod *corev1.Pod) bool {
	if now.UID != pod.UID || now.Status.Phase == corev1.PodFailed || now.Status.Phase == corev1.PodSucceeded {
		return true
	}
	status := containerStatus(now, containerService)
	return status != nil && status.State.Terminated != nil
}
