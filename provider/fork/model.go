package fork

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

type forkModel struct {
	Name      types.String   `tfsdk:"name"`
	Inventory types.Map      `tfsdk:"inventory"`
	Enclave   types.String   `tfsdk:"enclave"`
	Rules     types.List     `tfsdk:"rules"`
	Timeouts  timeouts.Value `tfsdk:"timeouts"`

	ID            types.String `tfsdk:"id"`
	Status        types.String `tfsdk:"status"`
	Fidelity      types.Number `tfsdk:"fidelity"`
	FindingsCount types.Int64  `tfsdk:"findings_count"`
	Resources     types.Map    `tfsdk:"resources"`
}

// The values of status.
const (
	statusComplete = "complete"
	statusPartial  = "partial"
)

// entry is one element of the attribute resources.
type entry struct{ Strategy, Reason, SourceARN, ARN, Name, URL, Status types.String }

func entryType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"strategy": types.StringType, "reason": types.StringType, "source_arn": types.StringType, "arn": types.StringType,
		"name": types.StringType, "url": types.StringType, "status": types.StringType,
	}}
}

// entriesValue builds the attribute resources. It is built without reflection because there may be thousands.
func entriesValue(entries map[string]entry) types.Map {
	kind := entryType()
	elements := make(map[string]attr.Value, len(entries))
	for key, e := range entries {
		elements[key] = types.ObjectValueMust(kind.AttrTypes, map[string]attr.Value{
			"strategy": e.Strategy, "reason": e.Reason, "source_arn": e.SourceARN, "arn": e.ARN, "name": e.Name, "url": e.URL,
			"status": e.Status,
		})
	}
	return types.MapValueMust(kind, elements)
}

// readEntries takes the attribute resources apart; a null or unknown one has none.
func readEntries(m types.Map) map[string]entry {
	entries := make(map[string]entry, len(m.Elements()))
	for key, element := range m.Elements() {
		object, ok := element.(basetypes.ObjectValue)
		if !ok || object.IsNull() || object.IsUnknown() {
			continue
		}
		at := func(name string) types.String {
			text, ok := object.Attributes()[name].(basetypes.StringValue)
			if !ok {
				return types.StringNull()
			}
			return text
		}
		entries[key] = entry{
			Strategy: at("strategy"), Reason: at("reason"), SourceARN: at("source_arn"), ARN: at("arn"), Name: at("name"),
			URL: at("url"), Status: at("status"),
		}
	}
	return entries
}

// stateEntry is what became of a resource as the forker tells it.
func stateEntry(state forker.State) entry {
	return entry{
		Strategy: types.StringValue(string(state.Strategy)), Reason: value.StringOrNull(state.Reason),
		SourceARN: value.StringOrNull(state.SourceARN), ARN: value.StringOrNull(state.ARN), Name: value.StringOrNull(state.Name),
		URL: value.StringOrNull(state.URL), Status: value.StringOrNull(state.Status),
	}
}

// settle fills what was unknown in the plan.
func settle(planned, now entry) entry {
	fill := func(planned *types.String, now types.String) {
		if planned.IsUnknown() {
			*planned = now
		}
	}
	fill(&planned.Strategy, now.Strategy)
	fill(&planned.Reason, now.Reason)
	fill(&planned.SourceARN, now.SourceARN)
	fill(&planned.ARN, now.ARN)
	fill(&planned.Name, now.Name)
	fill(&planned.URL, now.URL)
	fill(&planned.Status, now.Status)
	return planned
}

// inventory reads the attribute inventory, which must be known.
func (m *forkModel) inventory() map[string]forker.Resource {
	resources := make(map[string]forker.Resource, len(m.Inventory.Elements()))
	for key, element := range m.Inventory.Elements() {
		object, ok := element.(basetypes.ObjectValue)
		if !ok {
			continue
		}
		at := func(name string) string {
			text, ok := object.Attributes()[name].(basetypes.StringValue)
			if !ok {
				return ""
			}
			return text.ValueString()
		}
		resources[key] = forker.Resource{
			Service: at("service"), Type: at("type"), Name: at("name"), ARN: at("arn"), Region: at("region"), Digest: at("digest"),
		}
	}
	return resources
}

// known tells whether everything that planning the fork needs is known. The enclave is not among it.
func (m *forkModel) known(ctx context.Context) bool {
	return value.Known(ctx, m.Name) && value.Known(ctx, m.Inventory) && value.Known(ctx, m.Rules)
}
