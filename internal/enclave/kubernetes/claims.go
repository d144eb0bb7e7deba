package kubernetes

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// goingTime is how long a volume that somebody has deleted may take to go.
const goingTime = 20 * time.Second

// makeClaim makes a volume. One that is there stays as it is, unless somebody has deleted it: Kubernetes keeps that for as long
// as a pod uses it, and starts no pod with it.
func (c *connection) makeClaim(ctx context.Context, name string, claim *corev1.PersistentVolumeClaim) error {
	deadline := time.Now().Add(goingTime)
	for {
		_, err := create(ctx, c, claims, namespaceName(name), claim)
		if !apierrors.IsAlreadyExists(err) {
			return inEnclave(name, err)
		}
		there, err := get[corev1.PersistentVolumeClaim](ctx, c, claims, namespaceName(name), claim.Name)
		if ignoreMissing(err) != nil || err == nil && there.DeletionTimestamp == nil {
			return err
		}
		if err == nil && time.Now().After(deadline) {
			return fmt.Errorf("somebody has deleted the PersistentVolumeClaim %s, and it goes with its data when no pod uses it any more: copy what is needed (`sundog files`, `sundog exec`), stop the services that mount %q (`sundog enclave stop`) and apply again", claim.Name, claim.Annotations[annotationName])
		}
		if err := pause(ctx, removalPause); err != nil {
			return err
		}
	}
}
