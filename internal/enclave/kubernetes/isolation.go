package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// labelPublished marks pods of which ports are published, so that whoever is outside of the cluster may reach them. The
// values tell from where: publishedOutside, or publishedInside where a proxy of the cluster passes the traffic on.
const (
	labelPublished   = enclave.LabelPrefix + "published"
	publishedOutside = "outside"
	publishedInside  = "inside"
)

// The NetworkPolicies of an isolated enclave.
const (
	policyIsolated  = "sundog-isolated"
	policyPublished = "sundog-published"
	policyProxied   = "sundog-proxied"
)

// isolation are the specs of the NetworkPolicies that keep other namespaces out. They add up: what one of them allows is
// allowed. Traffic from outside of the cluster has an address and no pod; where the network gives pods' addresses to such a
// rule too, published ports are open to all. A port-forward enters the pod itself, which no policy concerns.
//
// Pods keep the labels that they were made with, so what an enclave does not ask for any more must not be allowed any more:
// mode is how it has its ports exposed, empty where it leaves that to the backend, whose setting may be another one each time.
func isolation(mode enclave.ExposureMode) map[string]map[string]any {
	everyPod := map[string]any{"podSelector": map[string]any{}}
	published := func(value string) map[string]any {
		return map[string]any{"matchLabels": map[string]any{labelPublished: value}}
	}
	anywhere := []any{
		map[string]any{"ipBlock": map[string]any{"cidr": "0.0.0.0/0"}},
		map[string]any{"ipBlock": map[string]any{"cidr": "::/0"}},
	}
	ingress := func(which map[string]any, from []any) map[string]any {
		return map[string]any{"podSelector": which, "policyTypes": []any{"Ingress"}, "ingress": []any{map[string]any{"from": from}}}
	}
	specs := map[string]map[string]any{policyIsolated: ingress(map[string]any{}, []any{everyPod})}
	if mode == "" || byService(mode) {
		specs[policyPublished] = ingress(published(publishedOutside), anywhere)
	}
	if mode == "" || mode == enclave.ExposeIngress || mode == enclave.ExposeGateway {
		specs[policyProxied] = ingress(published(publishedInside), append(anywhere, map[string]any{"namespaceSelector": map[string]any{}}))
	}
	return specs
}

// askedMode is how an enclave asks for its ports to be exposed; empty where it does not.
func askedMode(namespace *corev1.Namespace) (enclave.ExposureMode, error) {
	wanted, err := wantedExposure(namespace)
	if wanted == nil {
		return "", err
	}
	return wanted.Mode, nil
}

// isIsolated tells whether all of the NetworkPolicies are there and say what they should.
func (c *connection) isIsolated(ctx context.Context, namespace *corev1.Namespace) (bool, error) {
	mode, err := askedMode(namespace)
	if err != nil {
		return false, err
	}
	found, err := list[networkingv1.NetworkPolicy](ctx, c, networkPolicies, namespace.Name, selector(ofSundog(), ofRole(rolePolicy)))
	if err != nil {
		return false, fmt.Errorf("list the NetworkPolicies: %w", err)
	}
	has := map[string]networkingv1.NetworkPolicySpec{}
	for i := range found {
		has[found[i].Name] = found[i].Spec
	}
	for name, spec := range isolation(mode) {
		text, err := json.Marshal(spec)
		if err != nil {
			return false, err
		}
		var wanted networkingv1.NetworkPolicySpec
		if err := json.Unmarshal(text, &wanted); err != nil {
			return false, err
		}
		if !equality.Semantic.DeepEqual(wanted, has[name]) {
			return false, nil
		}
	}
	return true, nil
}

// podLabels are those of the service's pods, which also tell whether its ports are published.
func (w *workload) podLabels() map[string]string {
	labels := w.labels(w.role())
	if w.exposure == nil {
		return labels // It is none of a package's services.
	}
	p := w.publication()
	hosts, _ := p.hosts() // CreateService has seen the error.
	switch {
	case byService(p.exposure.Mode) && len(p.published()) > 0:
		labels[labelPublished] = publishedOutside
	case len(hosts) > 0:
		labels[labelPublished] = publishedInside
	}
	return labels
}
