package kubernetes

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// mountPatience is how long mounts may fail: Kubernetes tries again by itself.
const mountPatience = 20 * time.Second

// volumeFailures are the events that tell that a volume is not made, not found or not mounted.
var volumeFailures = []string{"FailedMount", "FailedAttachVolume", "ProvisioningFailed", "FailedBinding", "VolumeMismatch"}

// containerSteps are the events of what a node does with a pod once it has all of its volumes.
var containerSteps = []string{"Pulling", "Pulled", "Created", "Started"}

// judgeVolumes fails where one of the events tells for too long that a pod does not get its volumes.
func (w *startWaiter) judgeVolumes(found []corev1.Event) error {
	for i := range found {
		event := &found[i]
		if !slices.Contains(volumeFailures, event.Reason) || w.hasVolumes(event, found) {
			continue
		}
		if w.failedMount.IsZero() {
			w.failedMount = time.Now()
		}
		patience := mountPatience
		if lagsBehind(event.Message) {
			patience = busyPatience
		}
		if time.Since(w.failedMount) > patience {
			return fmt.Errorf("its volumes cannot be had: %s: %s%s", event.Reason, event.Message, storageRemedy(event))
		}
	}
	return nil
}

// hasVolumes tells whether what failed by an event has come about since: a pod that has a node has all of its claims, and one whose
// containers are being made all of its volumes.
func (w *startWaiter) hasVolumes(failure *corev1.Event, found []corev1.Event) bool {
	if failure.InvolvedObject.Kind == claims.kind {
		return w.pod != nil && w.pod.Spec.NodeName != ""
	}
	return slices.ContainsFunc(found, func(event corev1.Event) bool {
		return slices.Contains(containerSteps, event.Reason) && !event.LastTimestamp.Before(&failure.LastTimestamp)
	})
}

// claimsOf names the volume claims of a pod: why one is not bound only their own events tell.
func claimsOf(pod *corev1.Pod) []string {
	var names []string
	for i := range pod.Spec.Volumes {
		if claim := pod.Spec.Volumes[i].PersistentVolumeClaim; claim != nil {
			names = append(names, claim.ClaimName)
		}
	}
	return names
}

func storageRemedy(event *corev1.Event) string {
	if event.InvolvedObject.Kind != claims.kind {
		return ""
	}
	return "\nThe claim is made with kubernetes.storage_class, storage_size_mb and storage_access_mode of the provider block, or the cluster's default class: name a class that the cluster has and that gives such volumes. " +
		"A claim that is there keeps its class: remove the enclave to have another"
}
