package enclave

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/check"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// exposureAttributes say how ports are reached from outside of the cluster.
func exposureAttributes() map[string]schema.Attribute {
	var modes []string
	for _, mode := range backend.ExposureModes() {
		modes = append(modes, string(mode))
	}
	annotations := func(object string) schema.MapAttribute {
		return schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Annotations for every " + object + ", which tell its controller what is wanted."}
	}
	host := schema.StringAttribute{
		Required: true, Validators: []validator.String{check.String(`a template of a host, such as "{port}-{service}-{enclave}.dev.example.com"`, backend.CheckHostTemplate)},
		MarkdownDescription: "Template of the hosts, for example `\"{port}-{service}-{enclave}.dev.example.com\"`; `{port}` is the port's id.",
	}
	port := func(description string) schema.Int64Attribute {
		return schema.Int64Attribute{Optional: true, Validators: []validator.Int64{int64validator.Between(1, 65535)}, MarkdownDescription: description}
	}
	return map[string]schema.Attribute{
		"expose": schema.StringAttribute{
			Optional: true, Validators: []validator.String{stringvalidator.OneOf(modes...)},
			MarkdownDescription: "How ports are reached from outside: `None` (by `sundog forward` and `sundog_port_forward` alone), `NodePort`, " +
				"`LoadBalancer` (one for each service), `Ingress` or `Gateway` (a host for each HTTP port; other ports are not published). " +
				"Default: as the provider says.",
		},
		"node_address": schema.StringAttribute{
			Optional: true, MarkdownDescription: "Address under which node ports are reached. Default: as the provider says, else an address of one of the nodes.",
		},
		"load_balancer": schema.SingleNestedAttribute{
			Optional: true, MarkdownDescription: "What kind of load balancer `LoadBalancer` means.",
			Attributes: map[string]schema.Attribute{
				"class":       schema.StringAttribute{Optional: true, MarkdownDescription: "Class of the load balancers (`loadBalancerClass`). Default: the cluster's."},
				"annotations": annotations("Service of that type"),
				"timeout": schema.StringAttribute{
					Optional: true, Validators: []validator.String{check.String("a positive duration such as 90s or 5m", checkTTL)},
					MarkdownDescription: "How long a service that was started waits for its load balancer's address. Default `3m`.",
				},
			},
		},
		"ingress": schema.SingleNestedAttribute{
			Optional: true, MarkdownDescription: "Under which hosts `Ingress` makes HTTP ports reachable.",
			Attributes: map[string]schema.Attribute{
				"host":        host,
				"class":       schema.StringAttribute{Optional: true, MarkdownDescription: "Class of the Ingresses (`ingressClassName`). Default: the cluster's."},
				"tls_secret":  schema.StringAttribute{Optional: true, MarkdownDescription: "Secret with the certificate; with it URLs are `https`. It must be where the controller looks for it: in the enclave's namespace for most."},
				"annotations": annotations("Ingress"),
				"port":        port("Port under which the controller is reached. Default `80`, with `tls_secret` `443`."),
			},
		},
		"gateway": schema.SingleNestedAttribute{
			Optional: true, MarkdownDescription: "Under which hosts `Gateway` makes HTTP ports reachable: by an HTTPRoute (`gateway.networking.k8s.io/v1`) for each of them.",
			Attributes: map[string]schema.Attribute{
				"host":        host,
				"name":        schema.StringAttribute{Required: true, MarkdownDescription: "The Gateway that the routes are attached to. It must allow routes from enclaves' namespaces."},
				"namespace":   schema.StringAttribute{Optional: true, MarkdownDescription: "The Gateway's namespace. Default: the enclave's own."},
				"listener":    schema.StringAttribute{Optional: true, MarkdownDescription: "One listener of the Gateway (`sectionName`). Default: all that take the host."},
				"annotations": annotations("HTTPRoute"),
				"tls":         schema.BoolAttribute{Optional: true, MarkdownDescription: "Whether the listener speaks HTTPS. Default `false`."},
				"port":        port("Port under which the Gateway is reached. Default `80`, with `tls` `443`."),
			},
		},
	}
}

// exposureOf reads the attributes; its way is empty where they name none.
func exposureOf(attributes map[string]attr.Value) *backend.Exposure {
	exposure := &backend.Exposure{Mode: backend.ExposureMode(text(attributes["expose"]))}
	switch exposure.Mode {
	case backend.ExposeNodePort:
		exposure.NodeAddress = text(attributes["node_address"])
	case backend.ExposeLoadBalancer:
		balancer := object(attributes["load_balancer"])
		exposure.LoadBalancer = &backend.LoadBalancer{Class: text(balancer["class"]), Annotations: texts(balancer["annotations"])}
		// The validator has seen it.
		exposure.LoadBalancer.Timeout, _ = time.ParseDuration(text(balancer["timeout"]))
	case backend.ExposeIngress:
		ingress := object(attributes["ingress"])
		exposure.Ingress = &backend.Ingress{
			Host: backend.HostTemplate(text(ingress["host"])), Class: text(ingress["class"]), TLSSecret: text(ingress["tls_secret"]),
			Annotations: texts(ingress["annotations"]), Port: number(ingress["port"]),
		}
	case backend.ExposeGateway:
		gateway := object(attributes["gateway"])
		exposure.Gateway = &backend.Gateway{
			Host: backend.HostTemplate(text(gateway["host"])), Name: text(gateway["name"]), Namespace: text(gateway["namespace"]), Listener: text(gateway["listener"]),
			Annotations: texts(gateway["annotations"]), TLS: truth(gateway["tls"]), Port: number(gateway["port"]),
		}
	case backend.ExposeNone, backend.ExposeUnsettled:
	}
	return exposure
}

// sameExposure tells whether what is there is what is wanted; nil is what nobody has asked for.
func sameExposure(wanted, found *backend.Exposure) bool {
	if found == nil {
		return wanted == nil || wanted.Mode == ""
	}
	return wanted == nil || reflect.DeepEqual(wanted, found)
}

// refreshExposure brings the attributes to what is so, and tells whether that has changed one.
func refreshExposure(attributes map[string]attr.Value, found *backend.Exposure) bool {
	if sameExposure(exposureOf(attributes), found) {
		return false
	}
	kinds := kubernetesTypes()
	if found == nil {
		attributes["expose"] = types.StringNull()
		return true
	}
	attributes["expose"] = value.StringOrNull(string(found.Mode))
	switch found.Mode {
	case backend.ExposeNodePort:
		attributes["node_address"] = value.StringOrNull(found.NodeAddress)
	case backend.ExposeLoadBalancer:
		timeout := types.StringNull()
		if found.LoadBalancer.Timeout != 0 {
			timeout = types.StringValue(spell(found.LoadBalancer.Timeout))
		}
		attributes["load_balancer"] = built(kinds["load_balancer"], map[string]attr.Value{
			"class": value.StringOrNull(found.LoadBalancer.Class), "annotations": mapOrNull(found.LoadBalancer.Annotations), "timeout": timeout,
		})
	case backend.ExposeIngress:
		attributes["ingress"] = built(kinds["ingress"], map[string]attr.Value{
			"host": types.StringValue(string(found.Ingress.Host)), "class": value.StringOrNull(found.Ingress.Class), "tls_secret": value.StringOrNull(found.Ingress.TLSSecret),
			"annotations": mapOrNull(found.Ingress.Annotations), "port": numberOrNull(found.Ingress.Port),
		})
	case backend.ExposeGateway:
		tls := types.BoolNull()
		if found.Gateway.TLS {
			tls = types.BoolValue(true)
		}
		attributes["gateway"] = built(kinds["gateway"], map[string]attr.Value{
			"host": types.StringValue(string(found.Gateway.Host)), "name": types.StringValue(found.Gateway.Name), "namespace": value.StringOrNull(found.Gateway.Namespace),
			"listener": value.StringOrNull(found.Gateway.Listener), "annotations": mapOrNull(found.Gateway.Annotations), "tls": tls, "port": numberOrNull(found.Gateway.Port),
		})
	case backend.ExposeNone, backend.ExposeUnsettled:
	}
	return true
}

// exposureValidator refuses a way without what it needs.
type exposureValidator struct{}

// Description implements validator.Object.
func (exposureValidator) Description(context.Context) string {
	return "the way of exposing ports must have what it needs"
}

// MarkdownDescription implements validator.Object.
func (v exposureValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateObject implements validator.Object.
func (exposureValidator) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	attributes := given(req.ConfigValue)
	mode := text(attributes["expose"])
	var needed string
	switch backend.ExposureMode(mode) {
	case backend.ExposeIngress:
		needed = "ingress"
	case backend.ExposeGateway:
		needed = "gateway"
	default:
		return
	}
	if attributes[needed].IsNull() {
		resp.Diagnostics.AddAttributeError(req.Path.AtName("expose"), "Hosts are not named",
			fmt.Sprintf("expose = %q needs to know under which hosts ports are reached: give %s = { host = \"{port}-{service}-{enclave}.dev.example.com\" } with what else it takes.", mode, needed))
	}
}
