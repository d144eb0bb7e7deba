package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

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

// askExposure notes what is asked for, and marks the namespace until all services follow; it tells whether any has to.
func askExposure(namespace *corev1.Namespace, exposure *enclave.Exposure) (changed bool, err error) {
	if exposure == nil {
		return false, nil
	}
	before := namespace.Annotations[annotationExposure]
	if err := describeExposure(namespace, exposure); err != nil {
		return false, err
	}
	if namespace.Annotations[annotationExposure] == before && namespace.Annotations[annotationUnsettled] == "" {
		return false, nil
	}
	namespace.Annotations[annotationUnsettled] = "true"
	return true, nil
}

// settle has the services of an enclave follow what was asked for: what publishes them and lets traffic in changes, and nothing
// else.
func (b *Backend) settle(ctx context.Context, conn *connection, namespace *corev1.Namespace, name string) (*corev1.Namespace, error) {
	exposure, err := b.effective(namespace)
	if err != nil {
		return nil, err
	}
	policy, err := policyIn(namespace)
	if err != nil {
		return nil, err
	}
	found, err := list[corev1.Service](ctx, conn, services, namespace.Name, selector(ofSundog(), ofRole(roleService)))
	if err != nil {
		return nil, err
	}
	group, groupContext := errgroup.WithContext(ctx)
	group.SetLimit(settledAtOnce)
	for i := range found {
		group.Go(func() error {
			if err := conn.follow(groupContext, name, &found[i], exposure, !policy.Open); err != nil {
				return fmt.Errorf("expose the ports of service %q: %w", found[i].Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for {
		delete(namespace.Annotations, annotationUnsettled)
		namespace.TypeMeta = namespaces.typeMeta()
		settled, err := replace(ctx, conn, namespaces, "", namespace.Name, namespace)
		if !apierrors.IsConflict(err) {
			return settled, err
		}
		if namespace, err = get[corev1.Namespace](ctx, conn, namespaces, "", namespace.Name); err != nil {
			return nil, err
		}
	}
}

// settledAtOnce is how many services are brought to another exposure at a time.
const settledAtOnce = 8

// follow brings one service to an exposure, in an enclave that is isolated or is not.
func (c *connection) follow(ctx context.Context, name string, service *corev1.Service, exposure *enclave.Exposure, isolated bool) error {
	p, err := publicationIn(name, service, exposure, isolated)
	if err != nil {
		return err
	}
	before, err := exposedIn(service)
	if err != nil {
		return err
	}
	annotations, err := p.annotations()
	if err != nil {
		return err
	}
	exposed, err := c.expose(ctx, p, before)
	if err != nil {
		return err
	}
	values := map[string]any{}
	for key, text := range annotations {
		values[key] = text
	}
	if err := c.annotate(ctx, services, service.Namespace, service.Name, values); err != nil {
		return err
	}
	if exposed == nil || exposure.Mode != enclave.ExposeLoadBalancer || balancerAddress(exposed) != "" {
		return nil
	}
	_, err = c.awaitAddress(ctx, name, service.Name, addressTimeout(exposure))
	return err
}

func addressTimeout(exposure *enclave.Exposure) time.Duration {
	if exposure.LoadBalancer == nil || exposure.LoadBalancer.Timeout == 0 {
		return enclave.DefaultAddressTimeout
	}
	return exposure.LoadBalancer.Timeout
}
