package kubernetes

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// lateSecretPatience is how long a pull may fail for which the node had no pull secret: it asks for the secret, and then for the
// image, again by itself, after ten seconds and after twenty more.
const lateSecretPatience = 45 * time.Second

// eventNoPullSecret is how a node tells that it pulls without a pull secret of the pod's.
const eventNoPullSecret = "FailedToRetrieveImagePullSecret"

// secretIsLate tells that a pull failed only because its node, which has much to do, had not got the pull secrets yet. They are
// there.
func (w *startWaiter) secretIsLate(ctx context.Context) bool {
	if w.pod == nil || !isPulling(w.pod) {
		return false
	}
	if !w.lateSecret.IsZero() {
		return time.Since(w.lateSecret) < lateSecretPatience
	}
	found, err := w.events(ctx, lookInterval/2)
	if err != nil || !slices.ContainsFunc(found, func(event corev1.Event) bool { return event.Reason == eventNoPullSecret }) {
		return false
	}
	for _, reference := range w.pod.Spec.ImagePullSecrets {
		if _, err := get[corev1.Secret](ctx, w.conn, secrets, w.namespace, reference.Name); err != nil {
			return false
		}
	}
	w.lateSecret = time.Now()
	return true
}

// isPulling tells whether a pod waits for an image that could not be pulled so far.
func isPulling(pod *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(status corev1.ContainerStatus) bool {
		waiting := status.State.Waiting
		return waiting != nil && (waiting.Reason == "ErrImagePull" || waiting.Reason == "ImagePullBackOff")
	})
}
