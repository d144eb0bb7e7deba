package kubernetes

import (
	"context"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
)

// refusals are what registries say to somebody who may not pull, as nodes pass it on.
var refusals = []string{"unauthorized", "authentication required", "no basic auth credentials", "failed to authorize", "access denied", "403 forbidden", "insufficient_scope"}

// explainRefusal adds to a failed start what its reader could not know where a registry has refused: whose credentials
// the nodes had, and what to do.
func (c *connection) explainRefusal(ctx context.Context, service *corev1.Service, failure error) error {
	lower := strings.ToLower(failure.Error())
	refused := false
	for _, words := range refusals {
		refused = refused || strings.Contains(lower, words)
	}
	image, err := reference.ParseNormalizedNamed(service.Annotations[annotationImageID])
	if !refused || err != nil {
		return failure
	}
	detached, cancel := detach(ctx)
	defer cancel()
	source := ""
	secret, err := get[corev1.Secret](detached, c, secrets, service.Namespace, pullSecretName(service.Name, service.Labels[labelGeneration]))
	if err == nil {
		source = secret.Annotations[annotationSource]
	}
	host := reference.Domain(image)
	switch source {
	case fromPackage:
		return fmt.Errorf("%w\nthe registry %s refuses the credentials that the package gives in its ImageSpec: correct username and password there", failure, host)
	case fromSecrets:
		return fmt.Errorf("%w\nthe registry %s refuses the credentials of the Secrets that image_pull_secrets names: renew them, or name others", failure, host)
	case fromUser:
		return fmt.Errorf("%w\nthe registry %s refuses the credentials of the Docker configuration: renew them by `docker login %s`", failure, host, host)
	}
	return fmt.Errorf("%w\nthe registry %s wants credentials, and the nodes have none: `docker login %s` once, name a Secret that has them by image_pull_secrets, or give username and password in the package's ImageSpec", failure, host, host)
}
