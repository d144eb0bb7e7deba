package kubernetes

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// describeExposure notes on a namespace how ports are to be exposed. Nil leaves it as it is.
func describeExposure(namespace *corev1.Namespace, exposure *enclave.Exposure) error {
	if exposure == nil {
		return nil
	}
	if err := exposure.Check(); err != nil {
		return err
	}
	delete(namespace.Annotations, annotationExposure)
	if exposure.Mode == "" {
		return nil
	}
	text, err := json.Marshal(exposure)
	if err != nil {
		return err
	}
	namespace.Annotations[annotationExposure] = string(text)
	return nil
}

// wantedExposure reads what was asked for; nil if nothing was.
func wantedExposure(namespace *corev1.Namespace) (*enclave.Exposure, error) {
	text := namespace.Annotations[annotationExposure]
	if text == "" {
		return nil, nil //nolint:nilnil // Most enclaves leave it to the backend's setting.
	}
	var exposure enclave.Exposure
	if err := json.Unmarshal([]byte(text), &exposure); err != nil {
		return nil, fmt.Errorf("namespace %q: annotation %s: %w", namespace.Name, annotationExposure, err)
	}
	return &exposure, nil
}

// exposureIn is what the enclave is said to have: what was asked for, unless bringing it about was cut off.
func exposureIn(namespace *corev1.Namespace) (*enclave.Exposure, error) {
	if namespace.Annotations[annotationUnsettled] != "" {
		return &enclave.Exposure{Mode: enclave.ExposeUnsettled}, nil
	}
	return wantedExposure(namespace)
}
