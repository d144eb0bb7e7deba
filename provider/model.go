package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

type providerModel struct {
	Backend    types.String `tfsdk:"backend"`
	Owner      types.String `tfsdk:"owner"`
	EventDir   types.String `tfsdk:"event_dir"`
	DigestKey  types.String `tfsdk:"digest_key"`
	Docker     types.Object `tfsdk:"docker"`
	Kubernetes types.Object `tfsdk:"kubernetes"`
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
