package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Whoever may make no namespaces can be given one: an administrator makes it under the name that the enclave's would have,
// with the labels by which it is Sundog's and the enclave's. The first who makes the enclave then owns it, and where the
// namespace may not be deleted a removal leaves it as empty as it was.

// owned makes sure that a namespace is this owner's. One that nobody owns yet becomes so.
func (c *connection) owned(ctx context.Context, namespace *corev1.Namespace, spec enclave.Spec) (*corev1.Namespace, error) {
	if namespace.Annotations[enclave.LabelOwner] != "" {
		return namespace, checkOwner(namespace, spec)
	}
	if err := describe(namespace, spec); err != nil {
		return nil, err
	}
	namespace.TypeMeta = namespaces.typeMeta()
	taken, err := replace(ctx, c, namespaces, "", namespace.Name, namespace)
	if err != nil {
		return nil, fmt.Errorf("take over the namespace %q, which was made beforehand: %w", namespace.Name, err)
	}
	return taken, nil
}

// enclaveKinds are all kinds of objects of which an enclave is made. The key's Secret is among the last: with it the enclave
// is there, so a removal that is cut off goes on.
var enclaveKinds = []objectKind{jobs, pods, services, claims, configMaps, leases, networkPolicies, ingresses, httpRoutes, quotas, limitRanges, secrets}

// empty removes everything of an enclave from a namespace that is to stay.
func (c *connection) empty(ctx context.Context, name string) error {
	namespace := namespaceName(name)
	for _, kind := range enclaveKinds {
		how := deletion{}
		if kind == pods {
			how.grace = new(quickEnd)
		}
		// What may not be removed may not have been made either: it is looked for below.
		if err := c.removeAll(ctx, kind, namespace, ofSundog(), how); err != nil && !apierrors.IsForbidden(err) {
			return err
		}
	}
	for {
		var left []string
		for _, kind := range enclaveKinds {
			found, err := listAs[metav1.PartialObjectMetadata](ctx, c, kind, namespace, map[string]string{"labelSelector": ofSundog()}, metadataOnly)
			if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
				continue // Few clusters have all kinds.
			}
			if err != nil {
				return err
			}
			for i := range found {
				left = append(left, strings.ToLower(kind.kind)+" "+found[i].Name+finalizers(found[i].Finalizers))
			}
		}
		if len(left) == 0 {
			return c.giveBack(ctx, namespace)
		}
		if err := pause(ctx, removalPause); err != nil {
			return fmt.Errorf("the namespace %q may not be deleted, and in it are left: %s: %w", namespace, strings.Join(left, ", "), err)
		}
	}
}

// giveBack makes a namespace one that nobody owns.
func (c *connection) giveBack(ctx context.Context, name string) error {
	for {
		namespace, err := get[corev1.Namespace](ctx, c, namespaces, "", name)
		if err != nil {
			return ignoreMissing(err)
		}
		if err := describePolicy(namespace, &enclave.Policy{}); err != nil {
			return err
		}
		maps.DeleteFunc(namespace.Annotations, func(key, _ string) bool { return strings.HasPrefix(key, enclave.LabelPrefix) })
		delete(namespace.Labels, enclave.LabelOwner)
		namespace.TypeMeta = namespaces.typeMeta()
		_, err = replace(ctx, c, namespaces, "", name, namespace)
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}
