package packagerun

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// runModel is the plan's and the state's shape. The write-only arguments are always null in it: the state is only ever
// built from it, so that they have no way in.
type runModel struct {
	Enclave         types.String   `tfsdk:"enclave"`
	Package         types.String   `tfsdk:"package"`
	Name            types.String   `tfsdk:"name"`
	Args            types.Dynamic  `tfsdk:"args"`
	SensitiveArgs   types.Dynamic  `tfsdk:"sensitive_args"`
	SensitiveArgsWO types.Dynamic  `tfsdk:"sensitive_args_wo"`
	WOVersion       types.Int64    `tfsdk:"sensitive_args_wo_version"`
	MainFile        types.String   `tfsdk:"main_file"`
	MainFunction    types.String   `tfsdk:"main_function"`
	Parallelism     types.Int64    `tfsdk:"parallelism"`
	ImageDownload   types.String   `tfsdk:"image_download"`
	Triggers        types.Map      `tfsdk:"triggers"`
	Existing        types.Map      `tfsdk:"existing_services"`
	Timeouts        timeouts.Value `tfsdk:"timeouts"`

	ID              types.String  `tfsdk:"id"`
	Status          types.String  `tfsdk:"status"`
	PackageName     types.String  `tfsdk:"package_name"`
	PackageDigest   types.String  `tfsdk:"package_digest"`
	Files           types.Map     `tfsdk:"files"`
	Output          types.Dynamic `tfsdk:"output"`
	SensitiveOutput types.Dynamic `tfsdk:"sensitive_output"`
	Artifacts       types.Map     `tfsdk:"artifacts"`
	Services        types.Map     `tfsdk:"services"`
}

// The values of status.
const (
	statusComplete = "complete"
	statusPartial  = "partial"
	statusOutdated = "outdated"
)

// sameInputs tells whether everything that the user configures is as it was.
func (m *runModel) sameInputs(other *runModel) bool {
	pairs := [][2]attr.Value{
		{m.Enclave, other.Enclave},
		{m.Package, other.Package},
		{m.Name, other.Name},
		{m.Args, other.Args},
		{m.SensitiveArgs, other.SensitiveArgs},
		{m.WOVersion, other.WOVersion},
		{m.MainFile, other.MainFile},
		{m.MainFunction, other.MainFunction},
		{m.Parallelism, other.Parallelism},
		{m.ImageDownload, other.ImageDownload},
		{m.Triggers, other.Triggers},
		{m.Existing, other.Existing},
		{m.Timeouts, other.Timeouts},
	}
	for _, pair := range pairs {
		if !pair[0].Equal(pair[1]) {
			return false
		}
	}
	return true
}

// arguments is everything that the package is called with, and what of it is secret.
type arguments struct {
	merged map[string]any
	// secrets holds all sensitive values; writeOnly those that may not even be in the state.
	secrets   value.Secrets
	writeOnly value.Secrets
}

// readArguments converts the arguments; attribute names the one at fault when there is an error.
func (m *runModel) readArguments(writeOnly types.Dynamic) (result arguments, attribute string, err error) {
	layers := make([]map[string]any, 3)
	for i, layer := range []struct {
		name  string
		value types.Dynamic
	}{{"args", m.Args}, {"sensitive_args", m.SensitiveArgs}, {"sensitive_args_wo", writeOnly}} {
		if layers[i], err = value.ToObject(layer.name, layer.value); err != nil {
			return arguments{}, layer.name, err
		}
	}
	return arguments{
		merged:    value.Merge(value.Merge(layers[0], layers[1]), layers[2]),
		secrets:   value.NewSecrets(layers[1], layers[2]),
		writeOnly: value.NewSecrets(layers[2]),
	}, "", nil
}

// known tells whether everything that interpreting the package needs is known.
func (m *runModel) known(ctx context.Context, writeOnly types.Dynamic) bool {
	for _, v := range []attr.Value{m.Package, m.Args, m.SensitiveArgs, writeOnly, m.MainFile, m.MainFunction, m.WOVersion} {
		if !value.Known(ctx, v) {
			return false
		}
	}
	_, known := readExisting(m.Existing)
	return known
}
