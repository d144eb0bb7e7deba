package packagerun

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// existingAttribute takes the services of another run as that one's attribute services gives them. A plan asks no
// engine, so this is how a package gets to know another run's ports; digest and address are there to have this run
// updated when they change.
func existingAttribute() schema.Attribute {
	return schema.MapNestedAttribute{
		Optional: true,
		MarkdownDescription: "Services of another run in the same enclave that the package looks up by `get_service`: " +
			"`sundog_package_run.base.services`. The package then knows their ports, this run is applied after the other one, and it " +
			"is updated when one of them is replaced. Without it, `get_service` finds a service of another run all the same, but its ports are unknown.",
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"digest":     schema.StringAttribute{Optional: true, MarkdownDescription: "Changes with the service."},
			"ip_address": schema.StringAttribute{Optional: true, MarkdownDescription: "Address inside the enclave."},
			"ports": schema.MapNestedAttribute{
				Optional: true, MarkdownDescription: "Ports by id.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"number":               schema.Int64Attribute{Required: true, MarkdownDescription: "Number inside the enclave."},
					"transport_protocol":   schema.StringAttribute{Optional: true, MarkdownDescription: "`TCP` (default), `UDP` or `SCTP`."},
					"application_protocol": schema.StringAttribute{Optional: true, MarkdownDescription: "For example `http`."},
				}},
			},
		}},
	}
}

// readExisting gives names and ports; known is false while any of them is not known yet.
func readExisting(m types.Map) (services map[string]map[string]plan.Port, known bool) {
	if m.IsUnknown() {
		return nil, false
	}
	services = make(map[string]map[string]plan.Port, len(m.Elements()))
	for name, element := range m.Elements() {
		object, ok := element.(basetypes.ObjectValue)
		if !ok || object.IsUnknown() {
			return nil, false
		}
		services[name] = map[string]plan.Port{}
		ports, ok := object.Attributes()["ports"].(basetypes.MapValue)
		if !ok || ports.IsUnknown() {
			return nil, !ok
		}
		for id, element := range ports.Elements() {
			port, known := readExistingPort(element)
			if !known {
				return nil, false
			}
			services[name][id] = port
		}
	}
	return services, true
}

func readExistingPort(element attr.Value) (port plan.Port, known bool) {
	object, ok := element.(basetypes.ObjectValue)
	if !ok || object.IsUnknown() {
		return port, false
	}
	attributes := object.Attributes()
	for _, value := range attributes {
		if value.IsUnknown() {
			return port, false
		}
	}
	port = plan.Port{
		Number: int(whole(attributes["number"]).ValueInt64()), Transport: text(attributes["transport_protocol"]).ValueString(),
		Application: text(attributes["application_protocol"]).ValueString(),
	}
	if port.Transport == "" {
		port.Transport = "TCP"
	}
	return port, true
}
