// Package inventory is the data source sundog_inventory.
package inventory

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

var (
	_ datasource.DataSource              = (*inventoryDataSource)(nil)
	_ datasource.DataSourceWithConfigure = (*inventoryDataSource)(nil)
)

type inventoryDataSource struct{ session *session.Session }

// NewDataSource makes the data source sundog_inventory.
func NewDataSource() datasource.DataSource { return &inventoryDataSource{} }

// Metadata implements datasource.DataSource.
func (d *inventoryDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_inventory"
}

// Configure implements datasource.DataSourceWithConfigure.
func (d *inventoryDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.session = session.From(req.ProviderData, &resp.Diagnostics)
}

// Schema implements datasource.DataSource.
func (d *inventoryDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	texts := func(description string) schema.ListAttribute {
		return schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	computed := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What the production account holds, read by configuration calls only: no data, no secret values. It is read " +
			"during the plan, so that a change in production shows up in the next plan by itself.",
		Attributes: map[string]schema.Attribute{
			"include": texts("Globs over keys, for example `sqs/*`; `*` also matches `/`. Default: all that is supported."),
			"exclude": texts("Globs over keys of what to leave out of that."),
			"tags": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Tags that a resource must have, all of them.",
			},
			"account_id": computed("Number of the production account."),
			"resources": schema.MapNestedAttribute{
				Computed: true,
				MarkdownDescription: "The resources by key: `service/type/name`, with `@region` behind it outside of the first region. The " +
					"`inventory` of a `sundog_fork` takes this map, whole or filtered.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"service": computed("Service, for example `sqs`."),
					"type":    computed("Type, for example `queue`."),
					"name":    computed("Name."),
					"arn":     computed("ARN."),
					"region":  computed("Region."),
					"digest":  computed("Digest of the configuration; values that may be secret enter it as keyed hashes."),
					"tags": schema.MapAttribute{
						Computed: true, ElementType: types.StringType, MarkdownDescription: "Tags.",
					},
					"references": schema.ListAttribute{
						Computed: true, ElementType: types.StringType,
						MarkdownDescription: "Keys of the resources that the configuration refers to, sorted.",
					},
				}},
			},
			"uncovered": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "What was not read, and why: denied calls, kinds that are not supported.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"subject": computed("Service, kind or key, with the region."),
					"reason":  computed("Why it was not read."),
				}},
			},
			"mermaid":  computed("The resources and their references as a Mermaid diagram."),
			"markdown": computed("The inventory as a Markdown table."),
		},
	}
}

type inventoryModel struct {
	Include   types.List   `tfsdk:"include"`
	Exclude   types.List   `tfsdk:"exclude"`
	Tags      types.Map    `tfsdk:"tags"`
	AccountID types.String `tfsdk:"account_id"`
	Resources types.Map    `tfsdk:"resources"`
	Uncovered types.List   `tfsdk:"uncovered"`
	Mermaid   types.String `tfsdk:"mermaid"`
	Markdown  types.String `tfsdk:"markdown"`
}

// Read implements datasource.DataSource.
func (d *inventoryDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model inventoryModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	found, err := d.read(ctx, &model)
	if err != nil {
		// Also while the provider's configuration is unknown: a data source that is read must be known as a whole.
		resp.Diagnostics.Append(diagnose.Subject{Verb: "read", Thing: "inventory of production"}.Error(err))
		return
	}
	model.fill(found)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

func (d *inventoryDataSource) read(ctx context.Context, model *inventoryModel) (*forker.Inventory, error) {
	carrier, err := d.session.Work(ctx, value.Secrets{}).Forker("production")
	if err != nil {
		return nil, err
	}
	return carrier.Inventory(ctx, forker.Selection{
		Include: texts(model.Include), Exclude: texts(model.Exclude), Tags: value.Strings(model.Tags),
	})
}

func texts(list types.List) []string {
	var result []string
	for _, element := range list.Elements() {
		if text, ok := element.(types.String); ok {
			result = append(result, text.ValueString())
		}
	}
	return result
}

func resourceType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"service": types.StringType, "type": types.StringType, "name": types.StringType, "arn": types.StringType,
		"region": types.StringType, "digest": types.StringType, "tags": types.MapType{ElemType: types.StringType},
		"references": types.ListType{ElemType: types.StringType},
	}}
}

func uncoveredType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{"subject": types.StringType, "reason": types.StringType}}
}

func (m *inventoryModel) fill(found *forker.Inventory) {
	resources := make(map[string]attr.Value, len(found.Resources))
	for key, one := range found.Resources {
		resources[key] = resourceValue(one)
	}
	uncovered := make([]attr.Value, 0, len(found.Uncovered))
	for _, gap := range found.Uncovered {
		uncovered = append(uncovered, types.ObjectValueMust(uncoveredType().AttrTypes, map[string]attr.Value{
			"subject": types.StringValue(gap.Subject), "reason": types.StringValue(gap.Reason),
		}))
	}
	m.AccountID = types.StringValue(found.AccountID)
	m.Resources = types.MapValueMust(resourceType(), resources)
	m.Uncovered = types.ListValueMust(uncoveredType(), uncovered)
	m.Mermaid, m.Markdown = types.StringValue(found.Mermaid()), types.StringValue(found.Markdown())
}

func resourceValue(one forker.Resource) attr.Value {
	references := slices.Sorted(slices.Values(one.References))
	elements := make([]attr.Value, 0, len(references))
	for _, reference := range references {
		elements = append(elements, types.StringValue(reference))
	}
	return types.ObjectValueMust(resourceType().AttrTypes, map[string]attr.Value{
		"service": types.StringValue(one.Service), "type": types.StringValue(one.Type), "name": types.StringValue(one.Name),
		"arn": types.StringValue(one.ARN), "region": types.StringValue(one.Region), "digest": types.StringValue(one.Digest),
		"tags": value.StringMap(maps.Clone(one.Tags)), "references": types.ListValueMust(types.StringType, elements),
	})
}
