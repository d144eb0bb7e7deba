package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// policyIsolated is the NetworkPolicy of an isolated enclave.
const policyIsolated = "sundog-isolated"

// isolation is the spec of the NetworkPolicy that keeps other namespaces out. What is published has policies of its own besides
// (opening), and policies add up: what one of them allows is allowed. A port-forward enters the pod itself, which no policy
// concerns.
func isolation() map[string]any {
	return map[string]any{
		"podSelector": map[string]any{}, "policyTypes": []any{"Ingress"},
		"ingress": []any{map[string]any{"from": []any{map[string]any{"podSelector": map[string]any{}}}}},
	}
}

// opening is the spec of the NetworkPolicy that lets in what comes to a service's published ports; nil where none is published.
// Traffic from outside of the cluster has an address and no pod; where the network gives pods' addresses to such a rule too,
// published ports are open to all. What has a host comes through a proxy in whatever namespace.
func (p *publication) opening(hosts map[string]hostAddress) map[string]any {
	from := []any{
		map[string]any{"ipBlock": map[string]any{"cidr": "0.0.0.0/0"}},
		map[string]any{"ipBlock": map[string]any{"cidr": "::/0"}},
	}
	var ids []string
	if byService(p.exposure.Mode) {
		ids = p.published()
	} else {
		ids = slices.Sorted(maps.Keys(hosts))
		from = append(from, map[string]any{"namespaceSelector": map[string]any{}})
	}
	if len(ids) == 0 {
		return nil
	}
	var ports []any
	for _, id := range ids {
		ports = append(ports, map[string]any{"port": p.ports[id].Number, "protocol": protocol(p.ports[id])})
	}
	return map[string]any{
		"podSelector": map[string]any{"matchLabels": map[string]any{enclave.LabelService: p.service}},
		"policyTypes": []any{"Ingress"},
		"ingress":     []any{map[string]any{"from": from, "ports": ports}},
	}
}

// openNetwork lets traffic to the ports of a service that are published, in an enclave that is isolated, and to no others.
func (c *connection) openNetwork(ctx context.Context, p *publication, before exposedAs) error {
	as, err := p.as()
	if err != nil || !as.Opened && !before.Opened {
		return err
	}
	namespace, name := namespaceName(p.enclave), exposedName(p.service)
	if !as.Opened {
		return c.remove(ctx, networkPolicies, namespace, name, deletion{})
	}
	_, err = apply[map[string]any](ctx, c, networkPolicies, namespace, name, map[string]any{
		"metadata": map[string]any{"labels": p.labels}, "spec": p.opening(as.Hosts),
	})
	if err != nil {
		return fmt.Errorf("let traffic in by a NetworkPolicy: %w", inEnclave(p.enclave, err))
	}
	return nil
}

// isIsolated tells whether the NetworkPolicy that isolates an enclave is there and says what it should.
func (c *connection) isIsolated(ctx context.Context, namespace string) (bool, error) {
	found, err := list[networkingv1.NetworkPolicy](ctx, c, networkPolicies, namespace, selector(ofSundog(), ofRole(rolePolicy)))
	if err != nil {
		return false, fmt.Errorf("list the NetworkPolicies: %w", err)
	}
	text, err := json.Marshal(isolation())
	if err != nil {
		return false, err
	}
	var wanted networkingv1.NetworkPolicySpec
	if err := json.Unmarshal(text, &wanted); err != nil {
		return false, err
	}
	return slices.ContainsFunc(found, func(item networkingv1.NetworkPolicy) bool {
		return item.Name == policyIsolated && equality.Semantic.DeepEqual(wanted, item.Spec)
	}), nil
}
