package packagerun

import (
	"context"
	"errors"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/check"
)

// Schema implements resource.Resource.
func (r *runResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := inputAttributes(ctx)
	maps.Copy(attributes, resultAttributes())
	resp.Schema = schema.Schema{
		MarkdownDescription: "Runs a package in an enclave: interprets its Starlark with arguments, and brings the enclave's services and " +
			"files artifacts to what it says. The package is interpreted during the plan already, so that the plan shows the services, their " +
			"images and their ports before anything is started. A service that has died shows as `exited (1) -> running` and is started again.",
		Attributes: attributes,
	}
}

func inputAttributes(ctx context.Context) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"enclave": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Id of the enclave to run in, for example `docker/dev`. Changing it replaces the run.",
			PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			Validators:          []validator.String{check.String("an enclave's id, such as docker/dev", checkEnclave)},
		},
		"package": schema.StringAttribute{
			Required: true,
			MarkdownDescription: "The package: a folder (relative to where the CLI runs; `\"${path.module}/shop\"` is safest) or a locator " +
				"`github.com/owner/repository[/folder][@version]`.",
			Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
		},
		"name": schema.StringAttribute{
			Optional: true, Computed: true,
			MarkdownDescription: "Name of the run, unique in its enclave. Default: the last segment of the package's name. Changing it replaces the run.",
			PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()},
			Validators:          []validator.String{check.String("1 to 63 lower-case letters, digits and hyphens", checkRunName)},
		},
		"args": schema.DynamicAttribute{
			Optional: true,
			MarkdownDescription: "Arguments of the package, an object. Whole numbers become integers, null becomes `None`. They are interpreted " +
				"during the plan once all of them are known.",
			Validators: []validator.Dynamic{objectOnly{}},
		},
		"sensitive_args": schema.DynamicAttribute{
			Optional: true, Sensitive: true,
			MarkdownDescription: "Further arguments, merged over `args` key by key, hidden in plans and masked in messages. They are in the state.",
			Validators:          []validator.Dynamic{objectOnly{}},
		},
		"sensitive_args_wo": schema.DynamicAttribute{
			Optional: true, WriteOnly: true,
			MarkdownDescription: "Further arguments, merged over the others, that are never in a plan or in the state. Needs Terraform 1.11 or " +
				"OpenTofu 1.11. Raise `sensitive_args_wo_version` when they change.",
			Validators: []validator.Dynamic{objectOnly{}},
		},
		"sensitive_args_wo_version": schema.Int64Attribute{
			Optional: true,
			MarkdownDescription: "Version of `sensitive_args_wo`, any number. Nothing else tells that a write-only value has changed: a new " +
				"version plans a change of exactly the services that use the values.",
			Validators: []validator.Int64{int64validator.AlsoRequires(path.MatchRoot("sensitive_args_wo"))},
		},
		"main_file": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString("main.star"),
			MarkdownDescription: "File of the package that holds the function to call. Default `main.star`.",
		},
		"main_function": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString("run"),
			MarkdownDescription: "Function to call. Default `run`.",
		},
		"parallelism": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "How many services of one `add_services` start at the same time. By default `4` on Docker and `50` on Kubernetes.",
			Validators:          []validator.Int64{int64validator.Between(1, 256)},
		},
		"image_download": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(string(backend.ImageMissing)),
			MarkdownDescription: "When images are pulled: `missing` (default), `always` or `never`. The first apply resolves the name of each image and " +
				"records its content. With `missing` and `never` services keep that content, whatever the name means later, until the package " +
				"names another image, or until the image is gone: `missing` then pulls the recorded digest, or else what the name means by now, and `never` " +
				"fails if the engine does not have it. With `always` each apply pulls, and a refresh asks the registry: a service whose image has moved on " +
				"reads `running (newer image)` and is replaced. A registry that wants the credentials of an `ImageSpec` cannot be asked by a refresh, " +
				"as these are not in the state.",
			Validators: []validator.String{stringvalidator.OneOf(
				string(backend.ImageMissing), string(backend.ImageAlways), string(backend.ImageNever))},
		},
		"triggers": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Any texts. When one of them changes, the package's imperative instructions (`exec`, `request`, `wait`, " +
				"`store_service_files`, `run_sh`, `run_python`) are carried out again although nothing else changed, apart from those " +
				"with `rerun = \"once\"`. Services are left alone: to make them anew, use the CLI's `-replace`.",
		},
		"existing_services": existingAttribute(),
		"timeouts": timeouts.Attributes(ctx, timeouts.Opts{
			Create: true, Update: true, Delete: true,
			CreateDescription: "How long the first run may take. Default `20m`.",
			UpdateDescription: "How long a later run may take. Default `20m`.",
			DeleteDescription: "How long removing the run's services may take. Default `5m`.",
		}),
	}
}

func resultAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id": schema.StringAttribute{
			Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
			MarkdownDescription: "The enclave's id and the run's name, for example `docker/dev/shop`.",
		},
		"status": schema.StringAttribute{
			Computed: true,
			MarkdownDescription: "`complete`, or `partial` after a run that failed midway. What had succeeded is kept then, and the next " +
				"apply continues. `outdated` when something that the run takes over from another run of the enclave is not as it was, or " +
				"a files artifact is lost; the next apply brings it up to date.",
		},
		"package_name": schema.StringAttribute{
			Computed: true, MarkdownDescription: "Name that the package's `kurtosis.yml` declares.",
		},
		"package_digest": schema.StringAttribute{
			Computed: true, MarkdownDescription: "SHA-256 over the package's files and the commits of the packages it imports.",
		},
		"files": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "SHA-256 of each file of a local package. A file that changes between plan and apply is refused by name.",
		},
		"output": schema.DynamicAttribute{
			Computed: true,
			MarkdownDescription: "What the package's function returned, without the key `sensitive`. Arguments that are sensitive are masked " +
				"in it.",
		},
		"sensitive_output": schema.DynamicAttribute{
			Computed: true, Sensitive: true,
			MarkdownDescription: "What the package's function returned under the key `sensitive`: a package that returns " +
				"`{\"url\": url, \"sensitive\": {\"password\": password}}` has the password here, hidden in plans. Write-only arguments are " +
				"masked even here, because the state holds it.",
		},
		"artifacts": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Digests of the files artifacts that the run has made, by name.",
		},
		"services": schema.MapNestedAttribute{
			Computed:            true,
			MarkdownDescription: "The run's services by name.",
			NestedObject:        schema.NestedAttributeObject{Attributes: serviceAttributes()},
		},
	}
}

func serviceAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"image":      schema.StringAttribute{Computed: true, MarkdownDescription: "Image as the package names it."},
		"status":     schema.StringAttribute{Computed: true, MarkdownDescription: "For example `running`, `exited (1)`, `out of memory (137)`, `completed` (ended by itself during the apply, with exit code 0), `replaced` (by something else), `running (newer image)`, `not ready` or `missing`."},
		"hostname":   schema.StringAttribute{Computed: true, MarkdownDescription: "Host name inside the enclave."},
		"ip_address": schema.StringAttribute{Computed: true, MarkdownDescription: "Address inside the enclave."},
		"digest": schema.StringAttribute{
			Computed: true,
			MarkdownDescription: "Keyed hash of what the package says about the service. It changes with anything that will change the " +
				"service, environment variables included, without showing them.",
		},
		"ports": schema.MapNestedAttribute{
			Computed:            true,
			MarkdownDescription: "Ports by id.",
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"number":               schema.Int64Attribute{Computed: true, MarkdownDescription: "Number inside the enclave."},
				"transport_protocol":   schema.StringAttribute{Computed: true, MarkdownDescription: "`TCP`, `UDP` or `SCTP`."},
				"application_protocol": schema.StringAttribute{Computed: true, MarkdownDescription: "For example `http`; null where the package says nothing."},
				"url":                  schema.StringAttribute{Computed: true, MarkdownDescription: "URL from the engine's machine; null where the application protocol is not known."},
				"host":                 schema.StringAttribute{Computed: true, MarkdownDescription: "Address on the engine's machine where the port is published."},
				"host_port":            schema.Int64Attribute{Computed: true, MarkdownDescription: "Port number there. A service keeps it when it is replaced."},
			}},
		},
	}
}

func checkEnclave(id string) error {
	_, _, err := backend.ParseID(id)
	return err
}

func checkRunName(name string) error {
	if backend.CheckServiceName(name) != nil {
		return errors.New("that is no name for a run")
	}
	return nil
}

// objectOnly refuses arguments that are no object, as far as that is known.
type objectOnly struct{}

var _ validator.Dynamic = objectOnly{}

// Description implements validator.Dynamic.
func (objectOnly) Description(context.Context) string { return "the value must be an object" }

// MarkdownDescription implements validator.Dynamic.
func (v objectOnly) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateDynamic implements validator.Dynamic.
func (objectOnly) ValidateDynamic(_ context.Context, req validator.DynamicRequest, resp *validator.DynamicResponse) {
	dynamic := req.ConfigValue
	if dynamic.IsNull() || dynamic.IsUnknown() || dynamic.IsUnderlyingValueNull() || dynamic.IsUnderlyingValueUnknown() {
		return
	}
	switch dynamic.UnderlyingValue().(type) {
	case types.Object, types.Map:
	default:
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid value of "+req.Path.String(),
			"The arguments of a package are an object, for example { replicas = 2 }. Give each argument by its name.")
	}
}
