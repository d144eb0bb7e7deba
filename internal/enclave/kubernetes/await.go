package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// awaitNoPods waits until no pod is left that has the labels, by one list and one watch.
func (c *connection) awaitNoPods(ctx context.Context, namespace, which string) error {
	query := map[string]string{"labelSelector": which}
	for {
		found, version, err := listVersion[corev1.Pod](ctx, c, pods, namespace, query)
		if err != nil || len(found) == 0 {
			return err
		}
		left := map[types.UID]*corev1.Pod{}
		for i := range found {
			left[found[i].UID] = &found[i]
		}
		done, err := watchFrom(ctx, c, pods, namespace, query, version, func(event string, pod *corev1.Pod) (bool, error) {
			if event == eventDeleted {
				delete(left, pod.UID)
			} else {
				left[pod.UID] = pod
			}
			return len(left) == 0, nil
		})
		if done {
			return nil
		}
		if err == nil {
			continue
		}
		for _, pod := range left {
			return fmt.Errorf("wait for the end of pod %s (%s): %w", pod.Name, pod.Status.Phase, err)
		}
		return err
	}
}

// awaitNamespace waits until a namespace that goes has changed. Whoever may not watch namespaces looks again after a while.
func (c *connection) awaitNamespace(ctx context.Context, namespace *corev1.Namespace) error {
	query := map[string]string{"fieldSelector": "metadata.name=" + namespace.Name}
	_, err := watchFrom(ctx, c, namespaces, "", query, namespace.ResourceVersion, func(event string, now *corev1.Namespace) (bool, error) {
		return event == eventDeleted || !isGoing(now), nil
	})
	if apierrors.IsForbidden(err) {
		return pause(ctx, removalPause)
	}
	return err
}
