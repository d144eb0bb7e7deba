// Package provider is the Terraform face of Sundog, and nothing else: schemas, models, life cycles, plan modifiers and
// diagnostics. What is done behind them, other packages know.
package provider

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/provider/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/fork"
	"github.com/sundog-dev/terraform-provider-sundog/provider/inventory"
	"github.com/sundog-dev/terraform-provider-sundog/provider/packagedata"
	"github.com/sundog-dev/terraform-provider-sundog/provider/packagerun"
	"github.com/sundog-dev/terraform-provider-sundog/provider/portforward"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

var (
	_ provider.Provider                       = (*sundogProvider)(nil)
	_ provider.ProviderWithEphemeralResources = (*sundogProvider)(nil)
)

type sundogProvider struct {
	version  string
	builders session.Builders
	getenv   func(string) string
}

// New makes the provider on the real engines.
func New(version string) func() provider.Provider { return NewWith(version, realBuilders(), os.Getenv) }

// NewWith makes the provider on the given engines and environment.
func NewWith(version string, builders session.Builders, getenv func(string) string) func() provider.Provider {
	return func() provider.Provider {
		return &sundogProvider{version: version, builders: builders, getenv: getenv}
	}
}

// Metadata implements provider.Provider.
func (p *sundogProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "sundog", p.version
}

// Schema implements provider.Provider.
func (p *sundogProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerSchema()
}

// Resources implements provider.Provider.
func (p *sundogProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{enclave.NewResource, packagerun.NewResource, fork.NewResource}
}

// DataSources implements provider.Provider.
func (p *sundogProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{inventory.NewDataSource, packagedata.NewDataSource}
}

// EphemeralResources implements provider.ProviderWithEphemeralResources.
func (p *sundogProvider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{portforward.New}
}

// Configure implements provider.Provider. It connects to nothing.
func (p *sundogProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var model providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	settings, err := p.settings(&model)
	if err != nil {
		resp.Diagnostics.AddError("Cannot configure the provider", err.Error())
		return
	}
	if settings.Backend != "docker" && settings.Backend != "kubernetes" && settings.Backend != "" {
		resp.Diagnostics.AddAttributeError(path.Root("backend"), fmt.Sprintf("Cannot use the backend %q", settings.Backend),
			"There is no such backend. Give \"docker\" or \"kubernetes\" (in the provider block or in SUNDOG_BACKEND).")
		return
	}
	if err := checkOwner(settings.Owner); settings.Owner != "" && err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("owner"), fmt.Sprintf("Cannot use the owner %q", settings.Owner),
			err.Error()+": give 1 to 63 letters, digits, dots, underscores and hyphens (in the provider block or in SUNDOG_OWNER).")
		return
	}
	configured := session.New(ctx, *settings, p.builders)
	resp.ResourceData, resp.DataSourceData, resp.EphemeralResourceData = configured, configured, configured
}

// settings fills in environment variables and defaults: the provider block first, then the environment, then a default.
func (p *sundogProvider) settings(model *providerModel) (*session.Settings, error) {
	workDir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working folder: %w", err)
	}
	r := &reader{}
	or := func(configured types.String, name, variable, fallback string) string {
		if !configured.IsNull() {
			return r.text(name, configured)
		}
		if fromEnvironment := p.getenv(variable); fromEnvironment != "" {
			return fromEnvironment
		}
		return fallback
	}
	dataDir := p.getenv("TF_DATA_DIR")
	if dataDir == "" {
		dataDir = ".terraform"
	}
	if !filepath.IsAbs(dataDir) {
		dataDir = filepath.Join(workDir, dataDir)
	}
	settings := &session.Settings{
		Backend:    or(model.Backend, "backend", "SUNDOG_BACKEND", "docker"),
		Owner:      or(model.Owner, "owner", "SUNDOG_OWNER", ""),
		DigestKey:  or(model.DigestKey, "digest_key", "SUNDOG_DIGEST_KEY", ""),
		EventDir:   or(model.EventDir, "event_dir", "SUNDOG_EVENT_DIR", filepath.Join(dataDir, "sundog", "events")),
		DataDir:    dataDir,
		WorkDir:    workDir,
		Production: r.account("production", model.Production),
		Sandbox:    r.account("sandbox", model.Sandbox),
	}
	if err := r.docker(model.Docker, p.getenv, settings); err != nil {
		return nil, err
	}
	settings.Kubernetes = r.kubernetes(model.Kubernetes)
	if settings.Backend == "kubernetes" {
		if settings.Kubernetes, err = settings.Kubernetes.Default(p.getenv); err != nil {
			return nil, err
		}
	}
	if settings.Packages, err = r.packages(model.Packages, p.getenv); err != nil {
		return nil, err
	}
	p.defaultRegions(settings)
	settings.Unknown = r.unknown
	return settings, nil
}

func (p *sundogProvider) defaultRegions(settings *session.Settings) {
	region := p.getenv("AWS_REGION")
	if region == "" {
		region = p.getenv("AWS_DEFAULT_REGION")
	}
	if settings.Production != nil && len(settings.Production.Regions) == 0 && region != "" {
		settings.Production.Regions = []string{region}
	}
	if settings.Sandbox == nil || len(settings.Sandbox.Regions) > 0 {
		return
	}
	switch {
	case settings.Production != nil && len(settings.Production.Regions) > 0:
		settings.Sandbox.Regions = settings.Production.Regions[:1]
	case region != "":
		settings.Sandbox.Regions = []string{region}
	}
}
