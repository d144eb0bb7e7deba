package kubernetes

import (
	"context"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// podPolicy is what an enclave says about the pods in it at the moment at which one is made.
type podPolicy struct {
	*enclave.Policy
	// level of pod security that the namespace enforces, whoever has said so.
	level string
}

func podPolicyOf(namespace *corev1.Namespace) (*podPolicy, error) {
	policy, err := policyIn(namespace)
	if err != nil {
		return nil, err
	}
	return &podPolicy{policy, namespace.Labels[labelPodSecurity]}, nil
}

// applyPodPolicy gives a Job what the enclave says about pods now.
func (c *connection) applyPodPolicy(ctx context.Context, name string, job *batchv1.Job) error {
	namespace, err := c.sharedNamespace(ctx, name)
	if err != nil {
		return err
	}
	policy, err := podPolicyOf(namespace)
	if err != nil {
		return err
	}
	policy.apply(job)
	return nil
}

// apply gives a service's Job what holds for all pods of the enclave. What the service says itself goes before.
func (p *podPolicy) apply(job *batchv1.Job) {
	template := &job.Spec.Template
	template.Labels = merged(validLabels(p.PodLabels), template.Labels)
	if len(p.PodAnnotations) > 0 {
		template.Annotations = merged(p.PodAnnotations, template.Annotations)
	}
	pod := &template.Spec
	if p.ServiceAccount != "" {
		// Whether it gives a token is the account's own setting then.
		pod.ServiceAccountName, pod.AutomountServiceAccountToken = p.ServiceAccount, nil
	}
	if len(p.NodeSelectors) > 0 {
		pod.NodeSelector = merged(p.NodeSelectors, pod.NodeSelector)
	}
	pod.Tolerations = append(pod.Tolerations, tolerationsOf(p.Tolerations)...)
	for i := range pod.InitContainers {
		p.applyTo(&pod.InitContainers[i])
	}
	for i := range pod.Containers {
		p.applyTo(&pod.Containers[i])
	}
	if p.level == enclave.PodSecurityRestricted {
		if pod.SecurityContext == nil {
			pod.SecurityContext = &corev1.PodSecurityContext{}
		}
		pod.SecurityContext.RunAsNonRoot = new(true)
		pod.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
}

func (p *podPolicy) applyTo(container *corev1.Container) {
	if p.Limits != nil {
		raise(&container.Resources, p.Limits.Min)
	}
	if p.level == enclave.PodSecurityRestricted {
		restrict(container)
	}
}

// raise lifts requests that are Sundog's own choice, which is as little as possible, to what a container must ask for.
func raise(resources *corev1.ResourceRequirements, least map[string]string) {
	for name, text := range least {
		minimum, err := resource.ParseQuantity(text)
		if err != nil {
			continue // Kubernetes has refused it before.
		}
		key := corev1.ResourceName(name)
		asked, there := resources.Requests[key]
		if !there || asked.Cmp(minimum) >= 0 || !isOwnChoice(key, asked) {
			continue
		}
		resources.Requests = maps.Clone(resources.Requests)
		resources.Requests[key] = minimum
		if limit, bounded := resources.Limits[key]; bounded && limit.Cmp(minimum) < 0 && isOwnBound(key, limit) {
			resources.Limits = maps.Clone(resources.Limits)
			resources.Limits[key] = minimum
		}
	}
}

// isOwnChoice tells requests that no package made: the guard's, and nothing for services that name only a bound.
func isOwnChoice(name corev1.ResourceName, asked resource.Quantity) bool {
	own := guardResources().Requests[name]
	return asked.IsZero() || asked.Cmp(own) == 0
}

func isOwnBound(name corev1.ResourceName, limit resource.Quantity) bool {
	own, bounded := guardResources().Limits[name]
	return bounded && limit.Cmp(own) == 0
}
