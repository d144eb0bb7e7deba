package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// An enclave's policy stands in an annotation of its namespace. What of it is objects of their own, is made after the
// annotation tells of it, and removed before the annotation ceases to: so whoever reads the annotation knows for which
// objects to look, also where somebody was cut off.

const (
	annotationPolicy = enclave.LabelPrefix + "policy"
	rolePolicy       = "policy"
	// policyObject is the name of the quota and of the limit range.
	policyObject = "sundog"
	// labelPodSecurity is by which Kubernetes knows a namespace's level of pod security.
	labelPodSecurity = "pod-security.kubernetes.io/enforce"
)

var (
	quotas          = objectKind{"/api/v1", "ResourceQuota", "resourcequotas", "v1"}
	limitRanges     = objectKind{"/api/v1", "LimitRange", "limitranges", "v1"}
	networkPolicies = objectKind{"/apis/networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "networking.k8s.io/v1"}
)

// policyIn reads what a namespace says that was asked for.
func policyIn(namespace *corev1.Namespace) (*enclave.Policy, error) {
	policy := &enclave.Policy{}
	if text := namespace.Annotations[annotationPolicy]; text != "" {
		if err := json.Unmarshal([]byte(text), policy); err != nil {
			return nil, fmt.Errorf("namespace %q: annotation %s: %w", namespace.Name, annotationPolicy, err)
		}
	}
	return policy, nil
}

// describePolicy puts a policy into a namespace, and takes the one before it out. Nil leaves it as it is.
func describePolicy(namespace *corev1.Namespace, policy *enclave.Policy) error {
	if policy == nil {
		return nil
	}
	before, err := policyIn(namespace)
	if err != nil {
		return err
	}
	for key := range before.Annotations {
		delete(namespace.Annotations, key)
	}
	maps.Copy(namespace.Annotations, policy.Annotations)
	if before.PodSecurity != "" {
		delete(namespace.Labels, labelPodSecurity)
	}
	if policy.PodSecurity != "" {
		namespace.Labels[labelPodSecurity] = policy.PodSecurity
	}
	text, err := json.Marshal(policy)
	if err != nil {
		return err
	}
	namespace.Annotations[annotationPolicy] = string(text)
	return nil
}

// policyPart is an object of a policy.
type policyPart struct {
	kind objectKind
	name string
	// spec is nil where there is to be none.
	spec map[string]any
	// attribute by which it is asked for.
	attribute string
}

// policyParts are the objects of a policy.
func policyParts(policy *enclave.Policy) []policyPart {
	quota := policyPart{kind: quotas, name: policyObject, attribute: "resource_quota"}
	if len(policy.Quota) > 0 {
		quota.spec = map[string]any{"hard": policy.Quota}
	}
	limits := policyPart{kind: limitRanges, name: policyObject, attribute: "limit_range"}
	if policy.Limits != nil {
		item := map[string]any{"type": corev1.LimitTypeContainer}
		for key, amounts := range map[string]map[string]string{
			"default": policy.Limits.Default, "defaultRequest": policy.Limits.DefaultRequest, "min": policy.Limits.Min, "max": policy.Limits.Max,
		} {
			if len(amounts) > 0 {
				item[key] = amounts
			}
		}
		limits.spec = map[string]any{"limits": []any{item}}
	}
	isolated := policyPart{kind: networkPolicies, name: policyIsolated, attribute: "isolated"}
	if !policy.Open {
		isolated.spec = isolation()
	}
	return []policyPart{quota, limits, isolated}
}

// applyPolicy makes the objects of a policy, or brings them to what they should be.
func (c *connection) applyPolicy(ctx context.Context, name string, policy *enclave.Policy) error {
	group, groupContext := errgroup.WithContext(ctx)
	for _, part := range policyParts(policy) {
		if part.spec == nil {
			continue
		}
		group.Go(func() error {
			object := map[string]any{"metadata": map[string]any{"labels": objectLabels(name, rolePolicy)}, "spec": part.spec}
			_, err := apply[map[string]any](groupContext, c, part.kind, namespaceName(name), part.name, object)
			return part.explain(err, "make")
		})
	}
	return group.Wait()
}

// dropPolicy removes the objects that a policy no longer asks for.
func (c *connection) dropPolicy(ctx context.Context, name string, before, policy *enclave.Policy) error {
	after := policyParts(policy)
	wanted := map[string]bool{}
	for _, part := range after {
		wanted[part.kind.path("", part.name)] = part.spec != nil
	}
	for _, part := range policyParts(before) {
		if part.spec == nil || wanted[part.kind.path("", part.name)] {
			continue
		}
		if err := c.remove(ctx, part.kind, namespaceName(name), part.name, deletion{}); err != nil {
			return part.explain(err, "remove")
		}
	}
	return nil
}

// explain says which attribute asks for the object, and how to do without.
func (p *policyPart) explain(err error, verb string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err) && p.attribute == "isolated":
		return fmt.Errorf("%s the NetworkPolicy that keeps other namespaces out: %w\nHave it allowed (the guide \"Enclaves on Kubernetes\" has the role), or do without by kubernetes = { isolated = false }", verb, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s the %s of kubernetes.%s: %w\nHave it allowed (the guide \"Enclaves on Kubernetes\" has the role), or leave the attribute out", verb, p.kind.kind, p.attribute, err)
	}
	return fmt.Errorf("kubernetes.%s: %s the %s %q: %w", p.attribute, verb, p.kind.kind, p.name, err)
}

// observePolicy tells what of a policy holds, in the words in which it was asked for as far as they mean the same.
func (c *connection) observePolicy(ctx context.Context, namespace *corev1.Namespace) (*enclave.Policy, error) {
	found, err := policyIn(namespace)
	if err != nil {
		return nil, err
	}
	if found.PodSecurity != "" {
		found.PodSecurity = namespace.Labels[labelPodSecurity]
	}
	for key := range found.Annotations {
		if value, there := namespace.Annotations[key]; there {
			found.Annotations[key] = value
		} else {
			delete(found.Annotations, key)
		}
	}
	wanted := *found
	group, groupContext := errgroup.WithContext(ctx)
	if len(wanted.Quota) > 0 {
		group.Go(func() error {
			object, err := getPart[corev1.ResourceQuota](groupContext, c, quotas, namespace.Name)
			if err == nil {
				found.Quota = observedAmounts(wanted.Quota, object.Spec.Hard)
			}
			return err
		})
	}
	if wanted.Limits != nil {
		group.Go(func() error {
			object, err := getPart[corev1.LimitRange](groupContext, c, limitRanges, namespace.Name)
			if err == nil {
				found.Limits = observedLimits(wanted.Limits, object)
			}
			return err
		})
	}
	if !wanted.Open {
		group.Go(func() error {
			isolated, err := c.isIsolated(groupContext, namespace.Name)
			found.Open = !isolated
			return err
		})
	}
	return found, group.Wait()
}

// getPart reads an object of a policy; an empty one stands for one that is not there.
func getPart[T any](ctx context.Context, c *connection, kind objectKind, namespace string) (*T, error) {
	var object T
	err := c.do(ctx, call{verb: http.MethodGet, path: kind.path(namespace, policyObject)}, &object)
	if ignoreMissing(err) != nil {
		return nil, fmt.Errorf("read the %s %q: %w", kind.kind, policyObject, err)
	}
	return &object, nil
}

// observedAmounts keeps the spelling of amounts that are what was asked for: 1000m is 1.
func observedAmounts(wanted map[string]string, has corev1.ResourceList) map[string]string {
	var found map[string]string
	for name, amount := range has {
		if found == nil {
			found = map[string]string{}
		}
		text := amount.String()
		if asked, err := resource.ParseQuantity(wanted[string(name)]); err == nil && asked.Cmp(amount) == 0 {
			text = wanted[string(name)]
		}
		found[string(name)] = text
	}
	return found
}

// observedLimits reads a LimitRange. What Kubernetes has filled in itself is no difference: it takes a maximum for a
// default, too, and a default or a minimum for a default request.
func observedLimits(wanted *enclave.Limits, object *corev1.LimitRange) *enclave.Limits {
	for _, item := range object.Spec.Limits {
		if item.Type != corev1.LimitTypeContainer {
			continue
		}
		limits := merged(wanted.Max, wanted.Default)
		requests := merged(wanted.Min, limits, wanted.DefaultRequest)
		return &enclave.Limits{
			Default:        askedAmounts(wanted.Default, limits, item.Default),
			DefaultRequest: askedAmounts(wanted.DefaultRequest, requests, item.DefaultRequest),
			Min:            observedAmounts(wanted.Min, item.Min),
			Max:            observedAmounts(wanted.Max, item.Max),
		}
	}
	return nil
}

// askedAmounts leaves out what nobody has asked for and Kubernetes fills in.
func askedAmounts(asked, filled map[string]string, has corev1.ResourceList) map[string]string {
	found := observedAmounts(filled, has)
	for name, amount := range found {
		if _, wanted := asked[name]; !wanted && amount == filled[name] {
			delete(found, name)
		}
	}
	return found
}

// merged joins maps; what is in a later one goes before.
func merged(all ...map[string]string) map[string]string {
	result := map[string]string{}
	for _, m := range all {
		maps.Copy(result, m)
	}
	return result
}
