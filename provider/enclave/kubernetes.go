package enclave

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

var _ resource.ResourceWithValidateConfig = (*enclaveResource)(nil)

// kubernetesModel is what an enclave is to be in a cluster.
type kubernetesModel struct {
	Isolated       types.Bool   `tfsdk:"isolated"`
	PodSecurity    types.String `tfsdk:"pod_security"`
	ResourceQuota  types.Map    `tfsdk:"resource_quota"`
	LimitRange     types.Object `tfsdk:"limit_range"`
	ServiceAccount types.String `tfsdk:"service_account"`
	Annotations    types.Map    `tfsdk:"annotations"`
	PodLabels      types.Map    `tfsdk:"pod_labels"`
	PodAnnotations types.Map    `tfsdk:"pod_annotations"`
	NodeSelectors  types.Map    `tfsdk:"node_selectors"`
	Tolerations    types.List   `tfsdk:"tolerations"`
}

type limitRangeModel struct {
	Default        types.Map `tfsdk:"default"`
	DefaultRequest types.Map `tfsdk:"default_request"`
	Min            types.Map `tfsdk:"min"`
	Max            types.Map `tfsdk:"max"`
}

type tolerationModel struct {
	Key      types.String `tfsdk:"key"`
	Operator types.String `tfsdk:"operator"`
	Value    types.String `tfsdk:"value"`
	Effect   types.String `tfsdk:"effect"`
	Seconds  types.Int64  `tfsdk:"toleration_seconds"`
}

func kubernetesSchema() schema.SingleNestedAttribute {
	texts := func(description string) schema.MapAttribute {
		return schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	text := func(description string, validators ...validator.String) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, Validators: validators, MarkdownDescription: description}
	}
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "What the enclave is to be in a Kubernetes cluster. All of it changes in place, and what somebody else changes of it is put " +
			"right again; pods that run keep what they were started with. Other backends pass it over.",
		Attributes: map[string]schema.Attribute{
			"isolated": schema.BoolAttribute{
				Optional: true, MarkdownDescription: "Let no pod of other namespaces reach the services, by NetworkPolicies, which not every cluster enforces. " +
					"Within the enclave, outwards, and from outside of the cluster to published ports everything stays open. Default `true`.",
			},
			"pod_security": text("Level of the pod security standards that the namespace enforces: `privileged`, `baseline` or `restricted`. Under `restricted` pods "+
				"run without root, privileges and capabilities; a service that asks for more is an error before anything is made. Default: the cluster's own.",
				stringvalidator.OneOf(backend.PodSecurityPrivileged, backend.PodSecurityBaseline, backend.PodSecurityRestricted)),
			"resource_quota": texts("What all of the enclave may take together, in the words of a ResourceQuota, for example `{ \"requests.cpu\" = \"8\", pods = \"50\" }`."),
			"limit_range": schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: "Bounds and defaults of each container, in the words of a LimitRange: amounts by resource, for example `{ cpu = \"500m\", memory = \"256Mi\" }`.",
				Attributes: map[string]schema.Attribute{
					"default": texts("The most that a container may take which names nothing."), "default_request": texts("What is reserved for a container that names nothing."),
					"min": texts("The least that a container must ask for."), "max": texts("The most that a container may ask for."),
				},
			},
			"service_account": text("Name of a service account of the namespace that pods run as. Default: the namespace's default one, without a token."),
			"annotations":     texts("Annotations of the namespace. Its labels are the enclave's `labels`."),
			"pod_labels":      texts("Labels of every pod, beside those of its service."),
			"pod_annotations": texts("Annotations of every pod."),
			"node_selectors":  texts("Labels that a node must have to get a pod, beside those that the service names."),
			"tolerations": schema.ListNestedAttribute{
				Optional: true, MarkdownDescription: "Taints that every pod tolerates, beside those that its service names.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"key":                text("The taint's key. Default: every one."),
					"operator":           text("`Equal` or `Exists`. Default `Equal`.", stringvalidator.OneOf("Equal", "Exists")),
					"value":              text("The taint's value."),
					"effect":             text("`NoSchedule`, `PreferNoSchedule` or `NoExecute`. Default: every one.", stringvalidator.OneOf("NoSchedule", "PreferNoSchedule", "NoExecute")),
					"toleration_seconds": schema.Int64Attribute{Optional: true, MarkdownDescription: "How long a pod stays once the node has the taint `NoExecute`."},
				}},
			},
		},
	}
}

// ValidateConfig implements resource.ResourceWithValidateConfig: what the cluster would refuse is told before it is asked.
func (r *enclaveResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var given types.Object
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("kubernetes"), &given)...)
	if resp.Diagnostics.HasError() || !value.Known(ctx, given) {
		return
	}
	policy, diagnostics := policyFrom(ctx, given)
	resp.Diagnostics.Append(diagnostics...)
	if err := kubernetes.CheckPolicy(policy); err != nil && !diagnostics.HasError() {
		resp.Diagnostics.AddAttributeError(path.Root("kubernetes"), "Invalid value of kubernetes", err.Error())
	}
}

// policyFrom reads the attribute; null means a policy without any bounds.
func policyFrom(ctx context.Context, given types.Object) (*backend.Policy, diag.Diagnostics) {
	policy := &backend.Policy{}
	if given.IsNull() {
		return policy, nil
	}
	var model kubernetesModel
	diagnostics := given.As(ctx, &model, basetypes.ObjectAsOptions{})
	if diagnostics.HasError() {
		return policy, diagnostics
	}
	policy.Open = !model.Isolated.IsNull() && !model.Isolated.ValueBool()
	policy.PodSecurity, policy.ServiceAccount = model.PodSecurity.ValueString(), model.ServiceAccount.ValueString()
	policy.Quota, policy.Annotations, policy.NodeSelectors = textsOf(model.ResourceQuota), textsOf(model.Annotations), textsOf(model.NodeSelectors)
	policy.PodLabels, policy.PodAnnotations = textsOf(model.PodLabels), textsOf(model.PodAnnotations)
	if !model.LimitRange.IsNull() {
		var limits limitRangeModel
		diagnostics.Append(model.LimitRange.As(ctx, &limits, basetypes.ObjectAsOptions{})...)
		policy.Limits = &backend.Limits{
			Default: textsOf(limits.Default), DefaultRequest: textsOf(limits.DefaultRequest), Min: textsOf(limits.Min), Max: textsOf(limits.Max),
		}
	}
	var tolerations []tolerationModel
	diagnostics.Append(model.Tolerations.ElementsAs(ctx, &tolerations, false)...)
	for _, item := range tolerations {
		policy.Tolerations = append(policy.Tolerations, plan.Toleration{
			Key: item.Key.ValueString(), Operator: item.Operator.ValueString(), Value: item.Value.ValueString(), Effect: item.Effect.ValueString(),
			Seconds: item.Seconds.ValueInt64Pointer(),
		})
	}
	return policy, diagnostics
}

// textsOf reads a map; an empty one is none.
func textsOf(m types.Map) map[string]string {
	if len(m.Elements()) == 0 {
		return nil
	}
	return value.Strings(m)
}

// refreshedPolicy gives the attribute as it is in the cluster. What means the same keeps its spelling.
func refreshedPolicy(ctx context.Context, known types.Object, found *backend.Policy) (types.Object, diag.Diagnostics) {
	if found == nil {
		return known, nil // The backend has none.
	}
	before, diagnostics := policyFrom(ctx, known)
	if diagnostics.HasError() || before.Equal(found) {
		return known, diagnostics
	}
	var model kubernetesModel
	if !known.IsNull() {
		diagnostics.Append(known.As(ctx, &model, basetypes.ObjectAsOptions{})...)
	}
	if found.Open != before.Open || !model.Isolated.IsNull() {
		model.Isolated = types.BoolValue(!found.Open)
	}
	kind, ok := kubernetesSchema().GetType().(types.ObjectType)
	if !ok {
		return known, diagnostics // It is one.
	}
	model.PodSecurity, model.ServiceAccount = value.StringOrNull(found.PodSecurity), value.StringOrNull(found.ServiceAccount)
	model.ResourceQuota, model.Annotations, model.NodeSelectors = textMap(found.Quota), textMap(found.Annotations), textMap(found.NodeSelectors)
	model.PodLabels, model.PodAnnotations = textMap(found.PodLabels), textMap(found.PodAnnotations)
	limits, isObject := kind.AttrTypes["limit_range"].(types.ObjectType)
	list, isList := kind.AttrTypes["tolerations"].(types.ListType)
	if !isObject || !isList {
		return known, diagnostics
	}
	model.LimitRange = types.ObjectNull(limits.AttrTypes)
	if found.Limits != nil {
		model.LimitRange = types.ObjectValueMust(limits.AttrTypes, map[string]attr.Value{
			"default": textMap(found.Limits.Default), "default_request": textMap(found.Limits.DefaultRequest), "min": textMap(found.Limits.Min), "max": textMap(found.Limits.Max),
		})
	}
	model.Tolerations = types.ListNull(list.ElemType)
	if len(found.Tolerations) > 0 {
		var items []tolerationModel
		for _, item := range found.Tolerations {
			items = append(items, tolerationModel{
				Key: value.StringOrNull(item.Key), Operator: value.StringOrNull(item.Operator), Value: value.StringOrNull(item.Value),
				Effect: value.StringOrNull(item.Effect), Seconds: types.Int64PointerValue(item.Seconds),
			})
		}
		var more diag.Diagnostics
		model.Tolerations, more = types.ListValueFrom(ctx, list.ElemType, items)
		diagnostics.Append(more...)
	}
	refreshed, more := types.ObjectValueFrom(ctx, kind.AttrTypes, model)
	diagnostics.Append(more...)
	return refreshed, diagnostics
}

func textMap(m map[string]string) types.Map {
	if len(m) == 0 {
		return types.MapNull(types.StringType)
	}
	return value.StringMap(m)
}
