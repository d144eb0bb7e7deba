package enclave

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/check"
)

// Schema implements resource.Resource.
func (r *enclaveResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	stable := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "One isolated environment: a Docker network, or a Kubernetes namespace, with everything in it. Services of an enclave reach each " +
			"other by name; nothing of another enclave is in sight. Destroying it removes everything that runs in it.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "Name of the enclave, unique on its engine: 1 to 40 lower-case letters, digits and hyphens, starting " +
					"with a letter. Changing it replaces the enclave.",
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
				Validators:    []validator.String{check.String("1 to 40 lower-case letters, digits and hyphens", backend.CheckName)},
			},
			"ttl": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "How long the enclave is meant to live, counted from its creation, for example `\"8h\"` or `\"90m\"`. " +
					"It sets `expires_at` and the label that clean-up goes by; without it the enclave lives until it is destroyed.",
				Validators: []validator.String{check.String("a positive duration such as 30m or 8h", checkTTL)},
			},
			"labels": schema.MapAttribute{
				Optional:            true,
				ElementType:         types.StringType,
				MarkdownDescription: "Labels for the enclave's objects on the engine. Keys under `sundog.dev/` are Sundog's own.",
				Validators:          []validator.Map{check.Keys("keys outside of sundog.dev/", checkLabelKey)},
			},
			"kubernetes": kubernetesAttribute(),
			"timeouts": timeouts.Attributes(ctx, timeouts.Opts{
				Create: true, Update: true, Delete: true,
				CreateDescription: "How long making the enclave may take. Default `5m`.",
				UpdateDescription: "How long changing it in place may take. Default `5m`.",
				DeleteDescription: "How long removing everything in it may take. Default `5m`.",
			}),
			"id": schema.StringAttribute{
				Computed: true, PlanModifiers: stable,
				MarkdownDescription: "Backend and name, for example `docker/dev`. Other resources refer to the enclave by it.",
			},
			"backend": schema.StringAttribute{
				Computed: true, PlanModifiers: stable,
				MarkdownDescription: "Kind of engine that runs the enclave: `docker` or `kubernetes`.",
			},
			"network": schema.StringAttribute{
				Computed: true, PlanModifiers: stable,
				MarkdownDescription: "Name of the enclave's network, or of its namespace, on the engine.",
			},
			"created_at": schema.StringAttribute{
				Computed: true, PlanModifiers: stable,
				MarkdownDescription: "When the enclave was made (RFC 3339, UTC).",
			},
			"expires_at": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "When the enclave's `ttl` ends (RFC 3339, UTC); null without one.",
			},
		},
	}
}

func checkTTL(text string) error {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	if duration < time.Second {
		return errors.New("it must be at least one second")
	}
	return nil
}

func checkLabelKey(key string) error { return backend.CheckLabels(map[string]string{key: ""}) }
