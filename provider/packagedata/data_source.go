// Package packagedata is the data source sundog_package.
package packagedata

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/internal/preview"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

var (
	_ datasource.DataSource              = (*packageDataSource)(nil)
	_ datasource.DataSourceWithConfigure = (*packageDataSource)(nil)
)

type packageDataSource struct{ session *session.Session }

// NewDataSource makes the data source sundog_package.
func NewDataSource() datasource.DataSource { return &packageDataSource{} }

// Metadata implements datasource.DataSource.
func (d *packageDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_package"
}

// Configure implements datasource.DataSourceWithConfigure.
func (d *packageDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.session = session.From(req.ProviderData, &resp.Diagnostics)
}

type packageModel struct {
	Package      types.String  `tfsdk:"package"`
	Args         types.Dynamic `tfsdk:"args"`
	MainFile     types.String  `tfsdk:"main_file"`
	MainFunction types.String  `tfsdk:"main_function"`
	Name         types.String  `tfsdk:"name"`
	Description  types.String  `tfsdk:"description"`
	Parameters   types.List    `tfsdk:"parameters"`
	Services     types.Map     `tfsdk:"services"`
	Instructions types.List    `tfsdk:"instructions"`
	Artifacts    types.List    `tfsdk:"artifacts"`
	Images       types.List    `tfsdk:"images"`
	Packages     types.List    `tfsdk:"packages"`
	Warnings     types.List    `tfsdk:"warnings"`
	Output       types.Dynamic `tfsdk:"output"`
}

// Read implements datasource.DataSource.
func (d *packageDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model packageModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	subject := diagnose.Subject{Verb: "interpret", Thing: "package", Name: model.Package.ValueString()}
	args, err := value.ToObject("args", model.Args)
	if err != nil {
		resp.Diagnostics.Append(subject.At(path.Root("args"), err))
		return
	}
	settings := d.session.Settings()
	request := session.PackageRequest{
		Package: model.Package.ValueString(), BaseDir: settings.WorkDir, Args: args,
		MainFile: model.MainFile.ValueString(), MainFunction: model.MainFunction.ValueString(), Backend: settings.Backend,
	}
	about, err := d.session.Packages().Parameters(ctx, request)
	if err != nil {
		resp.Diagnostics.Append(subject.At(path.Root("package"), err))
		return
	}
	needsArguments := slices.ContainsFunc(about.Parameters, func(p plan.Parameter) bool { return p.Required })
	if !model.Args.IsNull() || !needsArguments {
		if about, err = d.session.Packages().Interpret(ctx, request); err != nil {
			resp.Diagnostics.Append(subject.At(diagnose.Blame(err), err))
			return
		}
		err = model.fillPlan(ctx, preview.Of(about))
	} else {
		model.fillNothing()
	}
	if err = errors.Join(err, model.fill(about)); err != nil {
		resp.Diagnostics.Append(subject.At(path.Root("package"), err))
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

// fill describes the package.
func (m *packageModel) fill(about *plan.Plan) error {
	m.Name, m.Description = types.StringValue(about.PackageName), value.StringOrNull(about.Description)
	parameters := make([]attr.Value, 0, len(about.Parameters))
	for _, parameter := range about.Parameters {
		text := types.StringNull()
		if !parameter.Required {
			encoded, err := json.Marshal(parameter.Default)
			if err != nil {
				return err
			}
			text = types.StringValue(string(encoded))
		}
		parameters = append(parameters, types.ObjectValueMust(parameterType().AttrTypes, map[string]attr.Value{
			"name": types.StringValue(parameter.Name), "type": value.StringOrNull(parameter.Type), "default_json": text,
			"required": types.BoolValue(parameter.Required), "description": value.StringOrNull(parameter.Doc),
		}))
	}
	m.Parameters = types.ListValueMust(parameterType(), parameters)
	return nil
}

// fillNothing leaves out what only a plan can tell.
func (m *packageModel) fillNothing() {
	m.Services, m.Instructions = types.MapNull(serviceType()), types.ListNull(instructionType())
	m.Artifacts, m.Images, m.Warnings = types.ListNull(types.StringType), types.ListNull(types.StringType), types.ListNull(types.StringType)
	m.Packages, m.Output = types.ListNull(referenceType()), types.DynamicNull()
}

// fillPlan tells what the package would do.
func (m *packageModel) fillPlan(ctx context.Context, document *preview.Document) error {
	services := map[string]attr.Value{}
	for name, service := range document.Services {
		services[name] = serviceValue(service)
	}
	m.Services = types.MapValueMust(serviceType(), services)
	instructions := make([]attr.Value, 0, len(document.Instructions))
	for _, instruction := range document.Instructions {
		arguments, err := json.Marshal(instruction.Arguments)
		if err != nil {
			return err
		}
		instructions = append(instructions, types.ObjectValueMust(instructionType().AttrTypes, map[string]attr.Value{
			"name": types.StringValue(instruction.Name), "position": value.StringOrNull(instruction.Position),
			"description": types.StringValue(instruction.Description), "arguments_json": types.StringValue(string(arguments)),
		}))
	}
	m.Instructions = types.ListValueMust(instructionType(), instructions)
	m.Artifacts, m.Images, m.Warnings = stringList(document.Artifacts), stringList(document.Images), stringList(document.Warnings)
	packages := make([]attr.Value, 0, len(document.Packages))
	for _, reference := range document.Packages {
		packages = append(packages, types.ObjectValueMust(referenceType().AttrTypes, map[string]attr.Value{
			"locator": types.StringValue(reference.Locator), "commit": value.StringOrNull(reference.Commit),
		}))
	}
	m.Packages = types.ListValueMust(referenceType(), packages)
	var err error
	m.Output, err = value.ToDynamic(ctx, document.Output)
	return err
}
