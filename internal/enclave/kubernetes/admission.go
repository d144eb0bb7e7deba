package kubernetes

import (
	"fmt"
	"strings"
	"time"
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
