package provider

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

func noEnvironment(string) string { return "" }

// withFakes makes a provider whose engines are all in memory.
func withFakes(t *testing.T, backend *memory.Backend, interpreter acctest.Interpreter, fake *acctest.Forker) func() provider.Provider {
	t.Helper()
	folder := t.TempDir()
	return NewWith("test", acctest.Builders(backend, interpreter, fake), func(name string) string {
		if name == "TF_DATA_DIR" {
			return folder
		}
		return ""
	})
}

func TestSchemasAreValid(t *testing.T) {
	ctx := context.Background()
	p := NewWith("test", realBuilders(), noEnvironment)()
	var schema provider.SchemaResponse
	p.Schema(ctx, provider.SchemaRequest{}, &schema)
	if diagnostics := schema.Schema.ValidateImplementation(ctx); diagnostics.HasError() {
		t.Error(diagnostics)
	}
	for _, factory := range p.Resources(ctx) {
		one := factory()
		var metadata resource.MetadataResponse
		one.Metadata(ctx, resource.MetadataRequest{ProviderTypeName: "sundog"}, &metadata)
		var response resource.SchemaResponse
		one.Schema(ctx, resource.SchemaRequest{}, &response)
		if diagnostics := response.Schema.ValidateImplementation(ctx); diagnostics.HasError() {
			t.Errorf("%s: %v", metadata.TypeName, diagnostics)
		}
		if response.Schema.MarkdownDescription == "" {
			t.Errorf("%s has no description", metadata.TypeName)
		}
		for name, attribute := range response.Schema.Attributes {
			if name != "timeouts" && attribute.GetMarkdownDescription() == "" {
				t.Errorf("%s.%s has no description", metadata.TypeName, name)
			}
		}
		if _, imports := one.(resource.ResourceWithImportState); !imports {
			t.Errorf("%s cannot be imported", metadata.TypeName)
		}
	}
	for _, factory := range p.DataSources(ctx) {
		var response datasource.SchemaResponse
		factory().Schema(ctx, datasource.SchemaRequest{}, &response)
		if diagnostics := response.Schema.ValidateImplementation(ctx); diagnostics.HasError() {
			t.Error(diagnostics)
		}
	}
}

// The names that the design fixes. A change of one of them breaks configurations.
func TestNamesOfTheDesign(t *testing.T) {
	server := acctest.NewServer(t, NewWith("test", realBuilders(), noEnvironment))
	for typ, names := range map[string]string{
		"sundog_enclave": "name ttl labels id backend network created_at expires_at",
		"sundog_package_run": "enclave package args sensitive_args sensitive_args_wo sensitive_args_wo_version main_file main_function " +
			"parallelism image_download timeouts id package_name package_digest files output sensitive_output artifacts services",
		"sundog_fork": "name inventory enclave rules id status fidelity findings_count resources",
	} {
		var have []string
		for _, attribute := range server.Schema(t, typ).Block.Attributes {
			have = append(have, attribute.Name)
		}
		for name := range strings.FieldsSeq(names) {
			if !slices.Contains(have, name) {
				t.Errorf("%s has no %s", typ, name)
			}
		}
	}
}

func account(t *testing.T, typ tftypes.Type, values acctest.Values) tftypes.Value {
	t.Helper()
	return acctest.Build(t, typ, values)
}

func providerType(t *testing.T, attribute string) tftypes.Type {
	t.Helper()
	p := NewWith("test", realBuilders(), noEnvironment)()
	var schema provider.SchemaResponse
	p.Schema(t.Context(), provider.SchemaRequest{}, &schema)
	return schema.Schema.Attributes[attribute].GetType().TerraformType(t.Context())
}

func TestConfigureRefusesWhatItCannotDo(t *testing.T) {
	for want, values := range map[string]acctest.Values{
		"":                           {},
		"There is no such backend":   {"backend": acctest.String("podman")},
		`Cannot use the owner "a b"`: {"owner": acctest.String("a b")},
	} {
		server := acctest.NewServer(t, NewWith("test", realBuilders(), noEnvironment))
		got := server.Configure(t, values)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestConfigureToleratesUnknownValues(t *testing.T) {
	docker, kubernetes, production := providerType(t, "docker"), providerType(t, "kubernetes"), providerType(t, "production")
	for name, values := range map[string]acctest.Values{
		"backend":    {"backend": acctest.Unknown(tftypes.String)},
		"owner":      {"owner": acctest.Unknown(tftypes.String)},
		"event_dir":  {"event_dir": acctest.Unknown(tftypes.String)},
		"docker":     {"docker": acctest.Unknown(docker)},
		"host":       {"docker": account(t, docker, acctest.Values{"host": acctest.Unknown(tftypes.String)})},
		"kubernetes": {"backend": acctest.String("kubernetes"), "kubernetes": acctest.Unknown(kubernetes)},
		"cluster": {"backend": acctest.String("kubernetes"), "kubernetes": account(t, kubernetes, acctest.Values{
			"host": acctest.Unknown(tftypes.String), "token": acctest.Unknown(tftypes.String), "insecure": acctest.Unknown(tftypes.Bool),
		})},
		"production": {"production": acctest.Unknown(production)},
		"account":    {"production": account(t, production, acctest.Values{"account_id": acctest.Unknown(tftypes.String), "regions": acctest.Unknown(tftypes.List{ElementType: tftypes.String})})},
	} {
		server := acctest.NewServer(t, NewWith("test", realBuilders(), noEnvironment))
		if got := server.Configure(t, values); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestPackageSettings(t *testing.T) {
	environment := map[string]string{"SUNDOG_PACKAGES_VENDOR_DIR": "/vendor", "SUNDOG_PACKAGES_OFFLINE": "1", "SUNDOG_PACKAGES_CACHE_DIR": "/cache"}
	p := &sundogProvider{getenv: func(name string) string { return environment[name] }}
	attributes := map[string]attr.Type{}
	values := map[string]attr.Value{}
	for name, value := range map[string]attr.Value{
		"vendor_dir": types.StringNull(), "lock_file": types.StringValue("x.lock"), "cache_dir": types.StringValue("/other"),
		"locked": types.BoolValue(true), "offline": types.BoolValue(false), "allow_privileged": types.BoolValue(true),
		"limits": types.ObjectValueMust(
			map[string]attr.Type{"steps": types.Int64Type, "memory_mib": types.Int64Type, "time": types.StringType},
			map[string]attr.Value{"steps": types.Int64Value(1000), "memory_mib": types.Int64Value(64), "time": types.StringNull()},
		),
	} {
		attributes[name], values[name] = value.Type(t.Context()), value
	}
	settings, err := p.settings(&providerModel{Packages: types.ObjectValueMust(attributes, values)})
	want := session.PackageSettings{VendorDir: "/vendor", LockFile: "x.lock", CacheDir: "/other", Locked: true, AllowPrivileged: true, Limits: language.Limits{Steps: 1000, Memory: 64 << 20}}
	if err != nil || settings.Packages != want {
		t.Errorf("%+v, %v; want %+v", settings, err, want)
	}
	values["vendor_dir"], values["locked"] = types.StringUnknown(), types.BoolUnknown()
	if settings, err = p.settings(&providerModel{Packages: types.ObjectValueMust(attributes, values)}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(settings.Unknown)
	if !slices.Equal(settings.Unknown, []string{"packages.locked", "packages.vendor_dir"}) {
		t.Errorf("unknown %v", settings.Unknown)
	}
	// While it is not known where packages come from, none is looked for.
	configured := session.New(t.Context(), *settings, realBuilders())
	if _, err := configured.Packages().Interpret(t.Context(), session.PackageRequest{Package: "."}); !errors.Is(err, session.ErrUnknown) || !strings.Contains(err.Error(), "packages.vendor_dir") {
		t.Error(err)
	}
	environment["SUNDOG_PACKAGES_OFFLINE"] = "perhaps"
	if _, err := p.settings(&providerModel{}); err == nil || !strings.Contains(err.Error(), "SUNDOG_PACKAGES_OFFLINE") {
		t.Error(err)
	}
}

func TestSettingsOfKubernetes(t *testing.T) {
	environment := map[string]string{"KUBE_CTX": "other", "KUBE_TOKEN": "from-env", "KUBE_INSECURE": "perhaps"}
	p := &sundogProvider{getenv: func(name string) string { return environment[name] }}
	object, ok := kubernetesSchema().GetType().(types.ObjectType)
	if !ok {
		t.Fatal("the block is no object")
	}
	attributes := object.AttrTypes
	values := map[string]attr.Value{}
	for name, typ := range attributes {
		values[name] = attr.Value(nil)
		switch typ := typ.(type) {
		case types.ListType:
			values[name] = types.ListNull(typ.ElemType)
		case types.ObjectType:
			values[name] = types.ObjectNull(typ.AttrTypes)
		default:
			switch typ {
			case types.BoolType:
				values[name] = types.BoolNull()
			case types.Int64Type:
				values[name] = types.Int64Null()
			default:
				values[name] = types.StringNull()
			}
		}
	}
	values["config_context"], values["storage_size_mb"] = types.StringValue("dev"), types.Int64Value(10)
	values["config_paths"] = types.ListValueMust(types.StringType, []attr.Value{types.StringValue("/a"), types.StringValue("/b")})
	values["image_pull_secrets"] = types.ListValueMust(types.StringType, []attr.Value{})
	model := &providerModel{Kubernetes: types.ObjectValueMust(attributes, values)}
	// What is set for Kubernetes is nothing to a user of Docker.
	if _, err := p.settings(model); err != nil {
		t.Fatal(err)
	}
	model.Backend = types.StringValue("kubernetes")
	if _, err := p.settings(model); err == nil || !strings.Contains(err.Error(), "KUBE_INSECURE") {
		t.Errorf("got error %v", err)
	}
	delete(environment, "KUBE_INSECURE")
	settings, err := p.settings(model)
	if err != nil {
		t.Fatal(err)
	}
	given := settings.Kubernetes
	if given.Cluster.ConfigContext != "dev" || given.Cluster.Token != "from-env" || len(given.Cluster.ConfigPaths) != 2 || given.StorageSizeMB != 10 || given.PullSecrets == nil {
		t.Errorf("%+v", given)
	}
	built, err := realBuilders().Backend(*settings, slog.New(slog.DiscardHandler))
	if err != nil || built.Name() != "kubernetes" {
		t.Errorf("the backend is %v, %v", built, err)
	}
}

func TestSettingsPrecedence(t *testing.T) {
	environment := map[string]string{"SUNDOG_OWNER": "from-env", "AWS_REGION": "eu-central-1", "TF_DATA_DIR": "/data"}
	p := &sundogProvider{getenv: func(name string) string { return environment[name] }}
	model := &providerModel{}
	settings, err := p.settings(model)
	if err != nil {
		t.Fatal(err)
	}
	if settings.Owner != "from-env" || settings.Backend != "docker" || settings.EventDir != "/data/sundog/events" {
		t.Errorf("%+v", settings)
	}
}

func TestSettingsOfSubnets(t *testing.T) {
	environment := map[string]string{}
	p := &sundogProvider{getenv: func(name string) string { return environment[name] }}
	read := func() (*session.Settings, error) { return p.settings(&providerModel{}) }
	if settings, err := read(); err != nil || settings.SubnetPool != "" || settings.SubnetSize != 0 {
		t.Errorf("%+v, %v", settings, err)
	}
	environment["SUNDOG_DOCKER_SUBNET_POOL"], environment["SUNDOG_DOCKER_SUBNET_SIZE"] = "10.210.0.0/16", "24"
	if settings, err := read(); err != nil || settings.SubnetPool != "10.210.0.0/16" || settings.SubnetSize != 24 {
		t.Errorf("%+v, %v", settings, err)
	}
	for pool, size := range map[string]string{"10.210.0.1/16": "", "fd00::/64": "", "10.210.0.0/24": "22", "": "24", "10.0.0.0/8": "many"} {
		environment["SUNDOG_DOCKER_SUBNET_POOL"], environment["SUNDOG_DOCKER_SUBNET_SIZE"] = pool, size
		if _, err := read(); err == nil || !strings.Contains(err.Error(), "SUNDOG_DOCKER_SUBNET_SIZE") {
			t.Errorf("pool %q, size %q: got error %v, want one that names the variables", pool, size, err)
		}
	}
}
