package kubernetes

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Values of enclave.LabelRole.
const (
	roleNamespace = "namespace"
	roleEnclave   = "enclave" // the Secret that holds the enclave's key
	roleService   = "service"
	roleTask      = "task"
	roleReserved  = "reserved" // a Service that keeps a removed service's address
	roleAlias     = "alias"    // a Service that is another name of a service
	roleExposed   = "exposed"  // a Service that publishes ports of a service
	roleManifest  = "manifest" // the Secret that holds what a service is started from
	rolePull      = "pull"     // the Secret by which nodes pull a service's image
	roleRecord    = "record"
	rolePart      = "part" // a part of a record or artifact that is too large for one Secret
	roleArtifact  = "artifact"
	roleStore     = "store" // what keeps the enclave's large artifacts
	roleVolume    = "volume"
	roleLock      = "lock"
	roleAgent     = "agent"
)

// Labels that only this backend uses. Labels are short and can be selected by; all else is an annotation.
const (
	labelGeneration = enclave.LabelPrefix + "generation" // ties all that is made for one CreateService together
	labelDotted     = enclave.LabelPrefix + "dotted"     // of a service with aliases that no Service can be named by
	labelOf         = enclave.LabelPrefix + "of"         // of a part: the name of what it is a part of
)

// Annotations.
const (
	annotationLabels     = enclave.LabelPrefix + "labels"             // JSON, the user's labels
	annotationExposure   = enclave.LabelPrefix + "exposure"           // JSON, on the namespace: how ports are to be exposed
	annotationUnsettled  = enclave.LabelPrefix + "exposure-unsettled" // on the namespace while not all services follow it
	annotationExposed    = enclave.LabelPrefix + "exposed"            // JSON, on a service's Service: how it is exposed
	annotationPublishing = enclave.LabelPrefix + "publishing"         // JSON, as above: what its package asks of published ports
	annotationCreatedAt  = enclave.LabelPrefix + "created-at"
	annotationImage      = enclave.LabelPrefix + "image"
	annotationImageID    = enclave.LabelPrefix + "image-id"
	annotationPorts      = enclave.LabelPrefix + "ports"   // JSON, map of port id to plan.Port
	annotationAliases    = enclave.LabelPrefix + "aliases" // JSON, list
	annotationState      = enclave.LabelPrefix + "state"   // stateStopped, or absent
	annotationKeeps      = enclave.LabelPrefix + "keeps"   // of a service with persistent directories
	annotationName       = enclave.LabelPrefix + "name"    // of a record, an artifact or a lock
	annotationParts      = enclave.LabelPrefix + "parts"   // how many parts there are
	annotationHolder     = enclave.LabelPrefix + "holder"
	annotationProcess    = enclave.LabelPrefix + "holder-process" // JSON, of a lock: whoever is on the same machine sees whether it lives
	annotationSource     = enclave.LabelPrefix + "source"         // of a pull secret: where its credentials come from
)

const stateStopped = "stopped"

func namespaceName(name string) string { return "sundog-" + name }

// keySecret holds the enclave's key.
const keySecret = "sundog-enclave" //nolint:gosec // It is a name.

// objectLabels are the labels of everything that belongs to an enclave.
func objectLabels(name, role string, more ...map[string]string) map[string]string {
	labels := map[string]string{
		enclave.LabelManagedBy: enclave.ManagedBy,
		enclave.LabelEnclave:   name,
		enclave.LabelRole:      role,
	}
	for _, m := range more {
		maps.Copy(labels, m)
	}
	return labels
}

// validLabels gives those of a user's labels that can be labels here.
func validLabels(labels map[string]string) map[string]string {
	valid := map[string]string{}
	for key, value := range labels {
		if len(validation.IsQualifiedName(key)) == 0 && len(validation.IsValidLabelValue(value)) == 0 {
			valid[key] = value
		}
	}
	return valid
}

// selector is a label selector of "key=value" and "key" terms.
func selector(terms ...string) string { return strings.Join(terms, ",") }

func ofRole(roles ...string) string {
	if len(roles) == 1 {
		return enclave.LabelRole + "=" + roles[0]
	}
	return enclave.LabelRole + " in (" + strings.Join(slices.Sorted(slices.Values(roles)), ",") + ")"
}

func ofSundog() string             { return enclave.LabelManagedBy + "=" + enclave.ManagedBy }
func ofService(name string) string { return enclave.LabelService + "=" + name }
func ofServices(names []string) string {
	return enclave.LabelService + " in (" + strings.Join(names, ",") + ")"
}
func ofGeneration(generation string) string  { return labelGeneration + "=" + generation }
func notGeneration(generation string) string { return labelGeneration + "!=" + generation }

// hashed names an object after something that may hold any characters.
func hashed(prefix, name string) string {
	sum := sha256.Sum256([]byte(name))
	return prefix + "-" + hex.EncodeToString(sum[:10])
}

func newGeneration() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // It never fails (crypto/rand).
	return hex.EncodeToString(random[:])
}

// jobName is short enough for a label, as Kubernetes makes one of it.
func jobName(service, generation string) string {
	const most = 63 - 1 - 8
	if len(service) > most-9 {
		service = strings.TrimRight(service[:most-9], "-") + "-" + hashed("", service)[1:9]
	}
	return service + "-" + generation
}

func manifestName(service, generation string) string { return service + "." + generation }
func aliasName(alias string) string                  { return alias }
func exposedName(service string) string              { return hashed("sundog-exposed", service) }

// isServiceName tells whether a name can be that of a Service; others, with dots, go into the hosts files of pods.
func isServiceName(name string) bool { return len(validation.IsDNS1035Label(name)) == 0 }
