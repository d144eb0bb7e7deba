package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// isPublished tells whether all that publishes services of an enclave is there: somebody else may have removed some of it. It
// asks a few questions, however many services there are, and none where nothing is published.
func (b *Backend) isPublished(ctx context.Context, conn *connection, namespace *corev1.Namespace, name string) (bool, error) {
	exposure, err := b.effective(namespace)
	if err != nil || exposure.Mode == enclave.ExposeNone {
		return true, err
	}
	found, err := list[corev1.Service](ctx, conn, services, namespace.Name, selector(ofSundog(), ofRole(roleService)))
	if err != nil {
		return false, fmt.Errorf("look for what publishes ports of enclave %q: %w", name, err)
	}
	wanted := map[objectKind][]string{}
	for i := range found {
		if err := wantPublished(name, &found[i], wanted); err != nil {
			return false, err
		}
	}
	for kind, names := range wanted {
		all, err := listAs[metav1.PartialObjectMetadata](ctx, conn, kind, namespace.Name, map[string]string{"labelSelector": selector(ofSundog(), ofRole(roleExposed))}, metadataOnly)
		if apierrors.IsForbidden(err) {
			continue // Who may not look cannot know.
		}
		if err := ignoreMissing(err); err != nil {
			return false, fmt.Errorf("look for what publishes ports of enclave %q: %w", name, err)
		}
		there := map[string]bool{}
		for i := range all {
			there[all[i].Name] = true
		}
		for _, item := range names {
			if !there[item] {
				return false, nil
			}
		}
	}
	return true, nil
}

// wantPublished adds what a service says that publishes it.
func wantPublished(name string, service *corev1.Service, wanted map[objectKind][]string) error {
	as, err := exposedIn(service)
	if err != nil {
		return err
	}
	p, err := publicationIn(name, service, &enclave.Exposure{Mode: as.Mode}, as.Opened)
	if err != nil {
		return err
	}
	object := exposedName(service.Name)
	switch {
	case byService(as.Mode) && len(p.published()) > 0:
		wanted[services] = append(wanted[services], object)
	case as.Mode == enclave.ExposeIngress && len(as.Hosts) > 0:
		wanted[ingresses] = append(wanted[ingresses], object)
	case as.Mode == enclave.ExposeGateway:
		for id := range as.Hosts {
			wanted[httpRoutes] = append(wanted[httpRoutes], routeName(service.Name, id))
		}
	}
	if as.Opened {
		wanted[networkPolicies] = append(wanted[networkPolicies], object)
	}
	return nil
}
