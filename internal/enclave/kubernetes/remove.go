package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

const (
	// quickEnd is how many seconds a process has to end whose data is thrown away anyhow.
	quickEnd int64 = 1
	// removalPause lies between two looks at a namespace that goes, for who may not watch it.
	removalPause = 150 * time.Millisecond
	// removalTime bounds the wait for a namespace where the caller's context does not.
	removalTime = 5 * time.Minute
)

// RemoveEnclave implements enclave.Enclaves. Kubernetes lets a namespace rest for five seconds before it looks into it, and as
// long as it then finds a pod it comes back only after half of the time that the pod may take to end. So pods are ended in the
// meantime.
func (b *Backend) RemoveEnclave(ctx context.Context, name string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	b.agents.forget()
	if err := conn.removeEnclave(ctx, name); err != nil {
		return fmt.Errorf("remove enclave %q: %w", name, err)
	}
	return nil
}

func (c *connection) removeEnclave(ctx context.Context, name string) error {
	namespace, err := get[corev1.Namespace](ctx, c, namespaces, "", namespaceName(name))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := checkOurs(namespace, name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, removalTime)
	defer cancel()
	err = c.remove(ctx, namespaces, "", namespace.Name, deletion{uid: string(namespace.UID)})
	if apierrors.IsForbidden(err) {
		return c.empty(ctx, name)
	}
	if err != nil {
		return err
	}
	if err := c.removeAll(ctx, jobs, namespace.Name, ofSundog(), deletion{}); err != nil {
		return err
	}
	if err := c.endPods(ctx, namespace.Name, ofSundog(), new(quickEnd)); err != nil {
		return c.remains(ctx, name, err)
	}
	return c.awaitRemoval(ctx, name, namespace.UID)
}

// endPods deletes pods and waits until they are gone.
func (c *connection) endPods(ctx context.Context, namespace, which string, grace *int64) error {
	if err := c.removeAll(ctx, pods, namespace, which, deletion{grace: grace}); err != nil {
		return err
	}
	return c.awaitNoPods(ctx, namespace, which)
}

// awaitRemoval waits until an enclave's namespace has gone that is going; another one of its name is none of its business.
func (c *connection) awaitRemoval(ctx context.Context, name string, uid types.UID) error {
	for {
		namespace, err := get[corev1.Namespace](ctx, c, namespaces, "", namespaceName(name))
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil && namespace.UID != uid {
			return nil // Somebody has made it anew.
		}
		switch {
		case err != nil:
		case isGoing(namespace):
			err = c.awaitNamespace(ctx, namespace)
		default:
			err = errors.New("the cluster has not begun to remove it")
		}
		if err != nil {
			return c.remains(ctx, name, err)
		}
	}
}

// remains says what keeps a namespace from going, in the words of Kubernetes itself: which objects are left, and who has
// put a finalizer on them.
func (c *connection) remains(ctx context.Context, name string, cause error) error {
	detached, cancel := detach(ctx)
	defer cancel()
	namespace, err := get[corev1.Namespace](detached, c, namespaces, "", namespaceName(name))
	if err != nil {
		return errors.Join(cause, ignoreMissing(err))
	}
	var reasons []string
	for _, condition := range namespace.Status.Conditions {
		if condition.Status == corev1.ConditionTrue {
			reasons = append(reasons, condition.Message)
		}
	}
	left, err := list[corev1.Pod](detached, c, pods, namespace.Name, "")
	if err == nil {
		for i := range left {
			reasons = append(reasons, fmt.Sprintf("pod %s on node %s is %s%s", left[i].Name, left[i].Spec.NodeName, left[i].Status.Phase, finalizers(left[i].Finalizers)))
		}
	}
	reasons = append(reasons, c.leftovers(detached, namespace.Name)...)
	if len(reasons) == 0 {
		return fmt.Errorf("the namespace %q does not go: %w", namespace.Name, cause)
	}
	return fmt.Errorf("the namespace %q does not go: %w\n%s", namespace.Name, cause, strings.Join(reasons, "\n"))
}

func finalizers(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", kept by " + strings.Join(names, ", ")
}

// keepsData tells whether a service has persistent directories.
func keepsData(service *corev1.Service) bool { return service.Annotations[annotationKeeps] != "" }

// graceOf is how long a service may take to end: whoever keeps data is asked properly.
func graceOf(service *corev1.Service) *int64 {
	if keepsData(service) {
		return nil
	}
	return new(quickEnd)
}

// RemoveService implements enclave.Services. What tells of the service goes last, so that a removal that is cut off is
// found again.
func (b *Backend) RemoveService(ctx context.Context, name, service string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.removeService(ctx, name, service); err != nil {
		return fmt.Errorf("remove service %q of enclave %q: %w", service, name, err)
	}
	return nil
}

func (c *connection) removeService(ctx context.Context, name, service string) error {
	namespace := namespaceName(name)
	found, err := get[corev1.Service](ctx, c, services, namespace, service)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if role := found.Labels[enclave.LabelRole]; role != roleService && role != roleTask {
		return nil
	}
	// Without its digest it is one that has to be made anew, wherever the removal is cut off.
	if err := c.annotate(ctx, services, namespace, service, map[string]any{enclave.LabelDigest: nil}); err != nil {
		return ignoreMissing(err)
	}
	which := ofService(service)
	if err := c.removeAll(ctx, jobs, namespace, which, deletion{}); err != nil {
		return err
	}
	if keepsData(found) {
		err = c.endPods(ctx, namespace, which, nil)
	} else {
		err = c.removeAll(ctx, pods, namespace, which, deletion{grace: new(quickEnd)})
	}
	if err != nil {
		return err
	}
	if err := c.removeAll(ctx, secrets, namespace, which, deletion{}); err != nil {
		return err
	}
	if found.Labels[enclave.LabelRole] == roleTask {
		return c.removeAll(ctx, services, namespace, which, deletion{})
	}
	if err := c.removeAll(ctx, services, namespace, selector(which, ofRole(roleAlias)), deletion{}); err != nil {
		return err
	}
	as, err := exposedIn(found)
	if err != nil {
		return err
	}
	// Node ports are kept together with the address. What others make for a Service they also unmake, and it may cost money.
	if as.Opened {
		if err := c.remove(ctx, networkPolicies, namespace, exposedName(service), deletion{}); err != nil {
			return err
		}
	}
	if as.Mode != enclave.ExposeNodePort {
		if err := c.unexpose(ctx, namespace, service, as, enclave.ExposeNone); err != nil {
			return err
		}
	}
	return ignoreMissing(c.reserve(ctx, namespace, service))
}

// reserve keeps a service's address and ports for when it comes back: its Services stay, and lead nowhere.
func (c *connection) reserve(ctx context.Context, namespace, service string) error {
	return c.do(ctx, call{
		verb: http.MethodPatch, path: services.path(namespace, service), mediaType: "application/merge-patch+json",
		query: map[string]string{"fieldManager": fieldManager},
		body: map[string]any{"metadata": map[string]any{
			"labels":      map[string]any{enclave.LabelRole: roleReserved, labelDotted: nil, labelGeneration: roleReserved},
			"annotations": map[string]any{enclave.LabelDigest: nil, enclave.LabelRun: nil, annotationState: nil, annotationKeeps: nil},
		}, "spec": map[string]any{"selector": map[string]any{labelGeneration: roleReserved}}},
	}, nil)
}
