package enclave

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// policyAttributes say what bounds the enclave, and what holds for all pods in it.
func policyAttributes() map[string]schema.Attribute {
	many := func(description string) schema.MapAttribute {
		return schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	one := func(description string, validators ...validator.String) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, Validators: validators, MarkdownDescription: description}
	}
	return map[string]schema.Attribute{
		"isolated": schema.BoolAttribute{
			Optional: true, MarkdownDescription: "Let no pod of other namespaces reach the services, by NetworkPolicies, which not every cluster enforces. " +
				"Within the enclave, outwards, and from outside of the cluster to published ports everything stays open. Default `true`.",
		},
		"pod_security": one("Level of the pod security standards that the namespace enforces: `privileged`, `baseline` or `restricted`. Under `restricted` pods "+
			"run without root, privileges and capabilities; a service that asks for more is an error before anything is made. Default: the cluster's own.",
			stringvalidator.OneOf(backend.PodSecurityPrivileged, backend.PodSecurityBaseline, backend.PodSecurityRestricted)),
		"resource_quota": many("What all of the enclave may take together, in the words of a ResourceQuota, for example `{ \"requests.cpu\" = \"8\", pods = \"50\" }`."),
		"limit_range": schema.SingleNestedAttribute{
			Optional: true, MarkdownDescription: "Bounds and defaults of each container, in the words of a LimitRange: amounts by resource, for example `{ cpu = \"500m\", memory = \"256Mi\" }`.",
			Attributes: map[string]schema.Attribute{
				"default": many("The most that a container may take which names nothing."), "default_request": many("What is reserved for a container that names nothing."),
				"min": many("The least that a container must ask for."), "max": many("The most that a container may ask for."),
			},
		},
		"service_account": one("Name of a service account of the namespace that pods run as. Default: the namespace's default one, without a token."),
		"annotations":     many("Annotations of the namespace. Its labels are the enclave's `labels`."),
		"pod_labels":      many("Labels of every pod, beside those of its service."),
		"pod_annotations": many("Annotations of every pod."),
		"node_selectors":  many("Labels that a node must have to get a pod, beside those that the service names."),
		"tolerations": schema.ListNestedAttribute{
			Optional: true, MarkdownDescription: "Taints that every pod tolerates, beside those that its service names.",
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"key":                one("The taint's key. Default: every one."),
				"operator":           one("`Equal` or `Exists`. Default `Equal`.", stringvalidator.OneOf("Equal", "Exists")),
				"value":              one("The taint's value."),
				"effect":             one("`NoSchedule`, `PreferNoSchedule` or `NoExecute`. Default: every one.", stringvalidator.OneOf("NoSchedule", "PreferNoSchedule", "NoExecute")),
				"toleration_seconds": schema.Int64Attribute{Optional: true, MarkdownDescription: "How long a pod stays once the node has the taint `NoExecute`."},
			}},
		},
	}
}

// policyOf reads the attributes; without any it is a policy without bounds.
func policyOf(attributes map[string]attr.Value) *backend.Policy {
	policy := &backend.Policy{
		PodSecurity: text(attributes["pod_security"]), ServiceAccount: text(attributes["service_account"]), Quota: texts(attributes["resource_quota"]),
		Annotations: texts(attributes["annotations"]), PodLabels: texts(attributes["pod_labels"]), PodAnnotations: texts(attributes["pod_annotations"]),
		NodeSelectors: texts(attributes["node_selectors"]),
	}
	if isolated, ok := attributes["isolated"].(basetypes.BoolValue); ok && !isolated.IsNull() {
		policy.Open = !isolated.ValueBool()
	}
	if limits := object(attributes["limit_range"]); limits != nil {
		policy.Limits = &backend.Limits{
			Default: texts(limits["default"]), DefaultRequest: texts(limits["default_request"]), Min: texts(limits["min"]), Max: texts(limits["max"]),
		}
	}
	if list, ok := attributes["tolerations"].(basetypes.ListValue); ok {
		for _, element := range list.Elements() {
			item := object(element)
			toleration := plan.Toleration{Key: text(item["key"]), Operator: text(item["operator"]), Value: text(item["value"]), Effect: text(item["effect"])}
			if seconds, ok := item["toleration_seconds"].(basetypes.Int64Value); ok {
				toleration.Seconds = seconds.ValueInt64Pointer()
			}
			policy.Tolerations = append(policy.Tolerations, toleration)
		}
	}
	return policy
}

// samePolicy tells whether what is there is what is wanted; nil is a policy that nobody knows.
func samePolicy(wanted, found *backend.Policy) bool {
	return wanted == nil || found == nil || wanted.Equal(found)
}

// refreshPolicy brings the attributes to what is so, and tells whether that has changed one.
func refreshPolicy(attributes map[string]attr.Value, found *backend.Policy) bool {
	known := policyOf(attributes)
	if samePolicy(known, found) {
		return false
	}
	kinds := kubernetesTypes()
	if found.Open != known.Open {
		attributes["isolated"] = types.BoolValue(!found.Open)
	}
	attributes["pod_security"], attributes["service_account"] = value.StringOrNull(found.PodSecurity), value.StringOrNull(found.ServiceAccount)
	for name, texts := range map[string]map[string]string{
		"resource_quota": found.Quota, "annotations": found.Annotations, "pod_labels": found.PodLabels, "pod_annotations": found.PodAnnotations, "node_selectors": found.NodeSelectors,
	} {
		attributes[name] = mapOrNull(texts)
	}
	attributes["limit_range"] = nullOf(kinds["limit_range"])
	if limits := found.Limits; limits != nil {
		attributes["limit_range"] = built(kinds["limit_range"], map[string]attr.Value{
			"default": mapOrNull(limits.Default), "default_request": mapOrNull(limits.DefaultRequest), "min": mapOrNull(limits.Min), "max": mapOrNull(limits.Max),
		})
	}
	attributes["tolerations"] = nullOf(kinds["tolerations"])
	if list, ok := kinds["tolerations"].(types.ListType); ok && len(found.Tolerations) > 0 {
		var items []attr.Value
		for _, item := range found.Tolerations {
			items = append(items, built(list.ElemType, map[string]attr.Value{
				"key": value.StringOrNull(item.Key), "operator": value.StringOrNull(item.Operator), "value": value.StringOrNull(item.Value),
				"effect": value.StringOrNull(item.Effect), "toleration_seconds": types.Int64PointerValue(item.Seconds),
			}))
		}
		attributes["tolerations"] = types.ListValueMust(list.ElemType, items)
	}
	return true
}

// policyValidator refuses what no cluster takes, before one is asked.
type policyValidator struct{}

// Description implements validator.Object.
func (policyValidator) Description(context.Context) string {
	return "amounts, labels and names must be such as Kubernetes takes"
}

// MarkdownDescription implements validator.Object.
func (v policyValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateObject implements validator.Object.
func (policyValidator) ValidateObject(ctx context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	if !value.Known(ctx, req.ConfigValue) {
		return
	}
	if err := kubernetes.CheckPolicy(policyOf(given(req.ConfigValue))); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid value of kubernetes", err.Error())
	}
}
