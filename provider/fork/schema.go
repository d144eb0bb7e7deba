package fork

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/check"
)

// Schema implements resource.Resource.
func (r *forkResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "A fork of production: for every resource of an inventory a clone in the sandbox account, a stand-in in an " +
			"enclave, production's own to read, a stub, or nothing, with the reason. Production is only ever read. The plan tells key, " +
			"strategy, reason and name of every resource before anything is made; when production changes, the next plan shows what of the " +
			"fork follows.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "Name of the fork, unique in the sandbox account: at most 30 lower-case letters, digits and hyphens. The names " +
					"of all that the fork makes begin with it. Changing it replaces the fork.",
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
				Validators:    []validator.String{check.String("at most 30 lower-case letters, digits and hyphens", forker.CheckName)},
			},
			"inventory": schema.MapNestedAttribute{
				Required: true,
				MarkdownDescription: "What to fork, by key: the `resources` of a `sundog_inventory`, or what ordinary expressions leave of them. " +
					"Further attributes of the elements are dropped.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"service": schema.StringAttribute{Required: true, MarkdownDescription: "Service, for example `sqs`."},
					"type":    schema.StringAttribute{Required: true, MarkdownDescription: "Type, for example `queue`."},
					"name":    schema.StringAttribute{Required: true, MarkdownDescription: "Name in production."},
					"arn":     schema.StringAttribute{Required: true, MarkdownDescription: "ARN in production."},
					"region":  schema.StringAttribute{Required: true, MarkdownDescription: "Region in production."},
					"digest":  schema.StringAttribute{Required: true, MarkdownDescription: "Digest of the configuration in production."},
				}},
			},
			"enclave": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Id of the enclave in which stand-ins and production's own services run. Not needed where no resource becomes a " +
					"container. Changing it moves them.",
				Validators: []validator.String{check.String("an enclave's id, such as docker/dev", checkEnclave)},
			},
			"rules": schema.ListNestedAttribute{
				Optional: true,
				MarkdownDescription: "What to do with which resources; the first rule that matches wins, and without one each kind has a default. " +
					"A rule that matches nothing, or that earlier rules wholly cover, is a warning.",
				NestedObject: schema.NestedAttributeObject{Attributes: ruleAttributes()},
			},
			"timeouts": timeouts.Attributes(ctx, timeouts.Opts{
				Create: true, Update: true, Delete: true,
				CreateDescription: "How long making the fork may take. Default `60m`.",
				UpdateDescription: "How long following production may take. Default `60m`.",
				DeleteDescription: "How long removing the fork may take. Default `30m`.",
			}),
			"id": schema.StringAttribute{
				Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "The sandbox account's number and the fork's name, for example `222222222222/staging`.",
			},
			"status": schema.StringAttribute{
				Computed: true,
				MarkdownDescription: "`complete`, or `partial` after an apply that failed for some resources. What had succeeded is kept then, " +
					"and the next apply continues.",
			},
			"fidelity": schema.NumberAttribute{
				Computed: true, MarkdownDescription: "How much of the inventory the fork stands for, from 0 to 1.",
			},
			"findings_count": schema.Int64Attribute{
				Computed: true, MarkdownDescription: "How many findings a user of the fork should know.",
			},
			"resources": schema.MapNestedAttribute{
				Computed:            true,
				MarkdownDescription: "What became of each resource, by key.",
				NestedObject:        schema.NestedAttributeObject{Attributes: stateAttributes()},
			},
		},
	}
}

func ruleAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"match": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Glob over keys, for example `sqs/*`; `*` also matches `/`. Without it, everything (with `match_tags`).",
		},
		"match_tags": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Tags that a resource must have in production, all of them.",
		},
		"strategy": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "`clone` (a new resource in the sandbox account), `substitute` (a container in the enclave), `share` (read " +
				"production's own), `stub` (the same shape with a fake value) or `skip`. Default: that of the kind.",
			Validators: []validator.String{stringvalidator.OneOf(string(forker.Clone), string(forker.Substitute),
				string(forker.Share), string(forker.Stub), string(forker.Skip))},
		},
		"data": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "How much of production's data the copy gets. Without it, none.",
			Attributes: map[string]schema.Attribute{
				"mode": schema.StringAttribute{
					Required: true, MarkdownDescription: "`none`, `schema`, `sample` or `full`.",
					Validators: []validator.String{stringvalidator.OneOf("none", "schema", "sample", "full")},
				},
				"limit": schema.Int64Attribute{
					Optional: true, MarkdownDescription: "How many items or objects a sample has.",
					Validators: []validator.Int64{int64validator.AtLeast(1)},
				},
				"mask": schema.MapAttribute{
					Optional: true, ElementType: types.StringType,
					MarkdownDescription: "What to do with fields of the data on the way, by name: `hash`, `null` or `fixed`.",
				},
			},
		},
		"seed": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "What to fill a stand-in with.",
			Attributes: map[string]schema.Attribute{
				"sql_file": schema.StringAttribute{
					Required:            true,
					MarkdownDescription: "Path of a file with SQL, relative to where the CLI runs. When its content changes, the next plan shows it.",
				},
			},
		},
		"image": schema.StringAttribute{
			Optional: true, MarkdownDescription: "Image of the stand-in, where the default is not to be had.",
		},
		"pin": schema.BoolAttribute{
			Optional: true, MarkdownDescription: "Keep the resource as it was forked, whatever production does. Default `false`.",
		},
		"on_error": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "`fail` (default), or `skip`: go on without the resource, with a finding.",
			Validators:          []validator.String{stringvalidator.OneOf("fail", "skip")},
		},
	}
}

func stateAttributes() map[string]schema.Attribute {
	computed := func(description string) schema.Attribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	return map[string]schema.Attribute{
		"strategy":   computed("What was done with it."),
		"reason":     computed("Why."),
		"source_arn": computed("ARN in production."),
		"arn":        computed("ARN in the sandbox account; null for what is not there."),
		"name":       computed("Name of the copy; null where nothing is made."),
		"url":        computed("Where it is reached; null where it has no such place."),
		"status":     computed("`ready`, `running`, `shared`, `skipped`, or what is wrong."),
	}
}

func checkEnclave(id string) error {
	_, _, err := backend.ParseID(id)
	return err
}
