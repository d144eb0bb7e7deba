package kubernetes

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// How long a refusal may last that goes away by itself.
const (
	// A pod that ends counts until it is gone.
	quotaPatience = 10 * time.Second
	// A namespace's own service account is made a moment after the namespace; but the controllers that do so come back up to a
	// minute after an API server that was away.
	accountPatience = 90 * time.Second
)

// refused judges why the pod of a Job cannot be made, by the message of its controller.
func (w *startWaiter) refused(message string) error {
	if w.firstRefused.IsZero() {
		w.firstRefused = time.Now()
	}
	patience := time.Duration(0)
	switch {
	case strings.Contains(message, "exceeded quota"):
		patience = quotaPatience
	case strings.Contains(message, `serviceaccount "default" not found`):
		patience = accountPatience
	}
	if time.Since(w.firstRefused) < patience {
		return nil
	}
	return fmt.Errorf("its pod is not admitted: %s%s", message, admissionRemedy(message))
}

// admissionRemedies say what can be done about a refusal, by what its message holds; the first that fits is taken.
var admissionRemedies = []struct{ holds, remedy string }{
	{"violates PodSecurity", "The namespace enforces a level of pod security that the pod does not keep. Set kubernetes.pod_security of the enclave to that level, so that pods " +
		"are made to keep it, or to a wider one, where that is allowed"},
	{"exceeded quota", "Raise kubernetes.resource_quota of the enclave where the quota is Sundog's (\"sundog\"), ask whoever made it otherwise, or have the services ask for less"},
	{"must specify", "The quota counts what a container must name then. Give the service min_cpu, min_memory, max_cpu or max_memory, or the enclave kubernetes.limit_range with defaults"},
	{"usage per", "Change the service's min_cpu, min_memory, max_cpu or max_memory, or kubernetes.limit_range of the enclave"},
	{"serviceaccount", "Make the service account in the namespace, or name another one by kubernetes.service_account of the enclave"},
	{"ValidatingAdmissionPolicy", "A policy of the cluster refuses it: change what the package asks for, or have the policy make an exception for the namespace"},
	{"admission webhook", "A policy of the cluster refuses it: change what the package asks for, or have the policy make an exception for the namespace"},
}

func admissionRemedy(message string) string {
	for _, known := range admissionRemedies {
		if strings.Contains(message, known.holds) {
			return "\n" + known.remedy
		}
	}
	return ""
}

// volumeFailures are the events that tell that a volume is not made, not found or not mounted.
var volumeFailures = []string{"FailedMount", "FailedAttachVolume", "ProvisioningFailed", "FailedBinding", "VolumeMismatch"}

// busyPatience is how long a volume may fail because its node lags behind the API server, as one does that has much to do.
const busyPatience = 90 * time.Second

// lagging is by which one knows that.
var lagging = []string{"no relationship found between node", "not registered"}

func patienceWith(event *corev1.Event) time.Duration {
	for _, text := range lagging {
		if strings.Contains(event.Message, text) {
			return busyPatience
		}
	}
	return mountPatience
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

// concernsVolumes tells whether an event can still be why a pod waits: one that has a node has all of its claims.
func concernsVolumes(event *corev1.Event, pod *corev1.Pod) bool {
	return event.InvolvedObject.Kind != claims.kind || pod != nil && pod.Spec.NodeName == ""
}

func storageRemedy(event *corev1.Event) string {
	if event.InvolvedObject.Kind != claims.kind {
		return ""
	}
	return "\nThe claim is made with kubernetes.storage_class, storage_size_mb and storage_access_mode of the provider block, or the cluster's default class: name a class that the cluster has and that gives such volumes. " +
		"A claim that is there keeps its class: remove the enclave to have another"
}
