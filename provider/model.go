package provider

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

type providerModel struct {
	Backend    types.String `tfsdk:"backend"`
	Owner      types.String `tfsdk:"owner"`
	EventDir   types.String `tfsdk:"event_dir"`
	DigestKey  types.String `tfsdk:"digest_key"`
	Docker     types.Object `tfsdk:"docker"`
	Kubernetes types.Object `tfsdk:"kubernetes"`
	Packages   types.Object `tfsdk:"packages"`
	Production types.Object `tfsdk:"production"`
	Sandbox    types.Object `tfsdk:"sandbox"`
}

// reader reads attributes of possibly unknown objects and remembers which ones are unknown.
type reader struct{ unknown []string }

func (r *reader) text(name string, v attr.Value) string {
	if v == nil || v.IsNull() {
		return ""
	}
	if v.IsUnknown() {
		r.unknown = append(r.unknown, name)
		return ""
	}
	if text, ok := v.(basetypes.StringValue); ok {
		return text.ValueString()
	}
	return ""
}

func (r *reader) texts(name string, v attr.Value) []string {
	if v == nil || v.IsNull() {
		return nil
	}
	list, ok := v.(basetypes.ListValue)
	if !ok || list.IsUnknown() {
		r.unknown = append(r.unknown, name)
		return nil
	}
	var texts []string
	for _, element := range list.Elements() {
		texts = append(texts, r.text(name, element))
	}
	return texts
}

// object gives the attributes of an object; set is false where the object is null or not known.
func (r *reader) object(name string, v attr.Value) (attributes map[string]attr.Value, set bool) {
	object, ok := v.(basetypes.ObjectValue)
	if !ok || object.IsNull() {
		return nil, false
	}
	if object.IsUnknown() {
		r.unknown = append(r.unknown, name)
		return nil, false
	}
	return object.Attributes(), true
}

// truth reads a boolean; false where it is null or not known.
func (r *reader) truth(name string, v attr.Value) bool {
	if v == nil || v.IsNull() {
		return false
	}
	if v.IsUnknown() {
		r.unknown = append(r.unknown, name)
		return false
	}
	given, ok := v.(basetypes.BoolValue)
	return ok && given.ValueBool()
}

// docker reads which engine is used and how: the provider block first, then the environment.
func (r *reader) docker(v attr.Value, getenv func(string) string, settings *session.Settings) error {
	attributes, _ := r.object("docker", v)
	settings.DockerHost = r.text("docker.host", attributes["host"])
	settings.SubnetPool = r.text("docker.subnet_pool", attributes["subnet_pool"])
	settings.SubnetSize = r.number("docker.subnet_size", attributes["subnet_size"])
	if pool := attributes["subnet_pool"]; pool == nil || pool.IsNull() {
		var err error
		if settings.SubnetPool, settings.SubnetSize, err = subnetsFrom(getenv, settings.SubnetSize); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(r.unknown, func(name string) bool { return strings.HasPrefix(name, "docker") }) {
		return nil
	}
	if _, err := docker.ParseSubnetPool(settings.SubnetPool, int(settings.SubnetSize)); err != nil {
		return fmt.Errorf("docker.subnet_pool or docker.subnet_size in the provider block, or SUNDOG_DOCKER_SUBNET_POOL or SUNDOG_DOCKER_SUBNET_SIZE: %w", err)
	}
	return nil
}

// subnetsFrom reads the pool of subnets from the environment; a size that the provider block gives goes before.
func subnetsFrom(getenv func(string) string, configured int64) (pool string, size int64, err error) {
	pool, size = getenv("SUNDOG_DOCKER_SUBNET_POOL"), configured
	if text := getenv("SUNDOG_DOCKER_SUBNET_SIZE"); text != "" && configured == 0 {
		if size, err = strconv.ParseInt(text, 10, 32); err != nil {
			return "", 0, fmt.Errorf("SUNDOG_DOCKER_SUBNET_SIZE is %q: give the length of a prefix, for example 22", text)
		}
	}
	return pool, size, nil
}

// packages reads where packages come from: the provider block first, then the environment.
func (r *reader) packages(v attr.Value, getenv func(string) string) (session.PackageSettings, error) {
	attributes, _ := r.object("packages", v)
	text := func(name, variable string) string {
		if given := attributes[name]; given != nil && !given.IsNull() {
			return r.text("packages."+name, given)
		}
		return getenv(variable)
	}
	var problem error
	truth := func(name, variable string) bool {
		if given := attributes[name]; given != nil && !given.IsNull() {
			return r.truth("packages."+name, given)
		}
		from := getenv(variable)
		if from == "" {
			return false
		}
		on, err := strconv.ParseBool(from)
		if err != nil {
			problem = fmt.Errorf("%s is %q: give true or false", variable, from)
		}
		return on
	}
	settings := session.PackageSettings{
		VendorDir: text("vendor_dir", "SUNDOG_PACKAGES_VENDOR_DIR"), LockFile: text("lock_file", "SUNDOG_PACKAGES_LOCK_FILE"),
		CacheDir: text("cache_dir", "SUNDOG_PACKAGES_CACHE_DIR"),
		Locked:   truth("locked", "SUNDOG_PACKAGES_LOCKED"), Offline: truth("offline", "SUNDOG_PACKAGES_OFFLINE"),
		AllowPrivileged: truth("allow_privileged", "SUNDOG_PACKAGES_ALLOW_PRIVILEGED"),
		Limits:          r.limits("packages.limits", attributes["limits"]),
	}
	return settings, problem
}

// limits reads what an interpretation may take; zero where nothing is said.
func (r *reader) limits(name string, v attr.Value) language.Limits {
	attributes, set := r.object(name, v)
	if !set {
		return language.Limits{}
	}
	longest, _ := time.ParseDuration(r.text(name+".time", attributes["time"])) // checked with the configuration
	return language.Limits{
		Steps:  uint64(r.number(name+".steps", attributes["steps"])), //nolint:gosec // the schema lets nothing below one through
		Memory: r.number(name+".memory_mib", attributes["memory_mib"]) << 20,
		Time:   longest,
	}
}

// number reads a whole number; zero where it is null or not known.
func (r *reader) number(name string, v attr.Value) int64 {
	if v == nil || v.IsNull() {
		return 0
	}
	if v.IsUnknown() {
		r.unknown = append(r.unknown, name)
		return 0
	}
	given, _ := v.(basetypes.Int64Value)
	return given.ValueInt64()
}

// account reads production or sandbox; nil where the block is not there.
func (r *reader) account(name string, v attr.Value) *forker.Account {
	attributes, set := r.object(name, v)
	if !set {
		return nil
	}
	at := func(attribute string) string { return r.text(name+"."+attribute, attributes[attribute]) }
	account := &forker.Account{
		AccountID: at("account_id"), Profile: at("profile"), AccessKey: at("access_key"), SecretKey: at("secret_key"),
		Token: at("token"), SharedConfigFiles: r.texts(name+".shared_config_files", attributes["shared_config_files"]),
		EndpointURL: at("endpoint_url"), EnclaveEndpointURL: at("enclave_endpoint_url"),
		Regions: r.texts(name+".regions", attributes["regions"]),
	}
	if region := at("region"); region != "" {
		account.Regions = []string{region}
	}
	if role, set := r.object(name+".assume_role", attributes["assume_role"]); set {
		account.AssumeRole = &forker.AssumeRole{
			RoleARN:     r.text(name+".assume_role.role_arn", role["role_arn"]),
			ExternalID:  r.text(name+".assume_role.external_id", role["external_id"]),
			SessionName: r.text(name+".assume_role.session_name", role["session_name"]),
		}
		if account.AssumeRole.SessionName == "" {
			account.AssumeRole.SessionName = "sundog-" + name
		}
	}
	return account
}

func sibling(name string) path.Expression { return path.MatchRelative().AtParent().AtName(name) }
