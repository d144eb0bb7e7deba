package provider

import (
	"maps"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
	"github.com/sundog-dev/terraform-provider-sundog/provider/check"
)

// exposureSchema says how ports are exposed in enclaves that do not say so themselves.
func exposureSchema() map[string]schema.Attribute {
	var modes []string
	for _, mode := range enclave.ExposureModes() {
		modes = append(modes, string(mode))
	}
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: description}
	}
	annotations := schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Annotations for its controller."}
	host := schema.StringAttribute{
		Required: true, Validators: []validator.String{check.String(`a template of a host, such as "{port}-{service}-{enclave}.dev.example.com"`, enclave.CheckHostTemplate)},
		MarkdownDescription: "Template of the hosts, for example `\"{port}-{service}-{enclave}.dev.example.com\"`.",
	}
	port := schema.Int64Attribute{
		Optional: true, Validators: []validator.Int64{int64validator.Between(1, 65535)},
		MarkdownDescription: "Port under which it is reached. Default `80`, with TLS `443`.",
	}
	return map[string]schema.Attribute{
		"expose": schema.StringAttribute{
			Optional: true, Validators: []validator.String{stringvalidator.OneOf(modes...)},
			MarkdownDescription: "How ports are reached from outside of the cluster: `None` (the default), `NodePort`, `LoadBalancer`, `Ingress` or " +
				"`Gateway`. It is the default of `kubernetes.expose` of `sundog_enclave`, as are the next attributes, and holds for services that are " +
				"made or replaced from then on. Environment: `SUNDOG_KUBERNETES_EXPOSE`.",
		},
		"node_address": text("Address under which node ports are reached. Default: an address of one of the nodes. Environment: `SUNDOG_KUBERNETES_NODE_ADDRESS`."),
		"load_balancer": schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "What `LoadBalancer` means.", Attributes: map[string]schema.Attribute{
			"class": text("Class of the load balancers."), "annotations": annotations,
			"timeout": schema.StringAttribute{
				Optional: true, Validators: []validator.String{check.String("a duration such as 90s or 5m", checkDuration)},
				MarkdownDescription: "How long a service that was started waits for its load balancer's address. Default `3m`.",
			},
		}},
		"ingress": schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "What `Ingress` means.", Attributes: map[string]schema.Attribute{
			"host": host, "class": text("Class of the Ingresses."), "tls_secret": text("Secret with the certificate; with it URLs are `https`."), "annotations": annotations, "port": port,
		}},
		"gateway": schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "What `Gateway` means.", Attributes: map[string]schema.Attribute{
			"host": host, "name": schema.StringAttribute{Required: true, MarkdownDescription: "The Gateway that routes are attached to."},
			"namespace": text("The Gateway's namespace."), "listener": text("One listener of the Gateway."), "annotations": annotations, "port": port,
			"tls": schema.BoolAttribute{Optional: true, MarkdownDescription: "Whether the listener speaks HTTPS."},
		}},
	}
}

func checkDuration(text string) error {
	_, err := time.ParseDuration(text)
	return err
}

// exposure reads how ports are exposed.
func (r *reader) exposure(given map[string]attr.Value, options *kubernetes.Options) {
	text := func(name string, v attr.Value) string { return r.text("kubernetes."+name, v) }
	options.Expose, options.NodeAddress = text("expose", given["expose"]), text("node_address", given["node_address"])
	if balancer, set := r.object("kubernetes.load_balancer", given["load_balancer"]); set {
		options.LoadBalancer = &enclave.LoadBalancer{Class: text("load_balancer.class", balancer["class"]), Annotations: r.pairs("kubernetes.load_balancer.annotations", balancer["annotations"])}
		// The validator has seen it.
		options.LoadBalancer.Timeout, _ = time.ParseDuration(text("load_balancer.timeout", balancer["timeout"]))
	}
	if ingress, set := r.object("kubernetes.ingress", given["ingress"]); set {
		options.Ingress = &enclave.Ingress{
			Host: enclave.HostTemplate(text("ingress.host", ingress["host"])), Class: text("ingress.class", ingress["class"]), TLSSecret: text("ingress.tls_secret", ingress["tls_secret"]),
			Annotations: r.pairs("kubernetes.ingress.annotations", ingress["annotations"]), Port: int(r.number("kubernetes.ingress.port", ingress["port"])),
		}
	}
	if gateway, set := r.object("kubernetes.gateway", given["gateway"]); set {
		options.Gateway = &enclave.Gateway{
			Host: enclave.HostTemplate(text("gateway.host", gateway["host"])), Name: text("gateway.name", gateway["name"]), Namespace: text("gateway.namespace", gateway["namespace"]),
			Listener: text("gateway.listener", gateway["listener"]), Annotations: r.pairs("kubernetes.gateway.annotations", gateway["annotations"]),
			TLS: r.truth("kubernetes.gateway.tls", gateway["tls"]), Port: int(r.number("kubernetes.gateway.port", gateway["port"])),
		}
	}
}

// pairs reads a map of texts.
func (r *reader) pairs(name string, v attr.Value) map[string]string {
	if v == nil || v.IsNull() {
		return nil
	}
	given, ok := v.(basetypes.MapValue)
	if !ok || given.IsUnknown() {
		r.unknown = append(r.unknown, name)
		return nil
	}
	pairs := map[string]string{}
	for key, value := range given.Elements() {
		pairs[key] = r.text(name, value)
	}
	return pairs
}

// withExposure adds the attributes of the exposure to others.
func withExposure(attributes map[string]schema.Attribute) map[string]schema.Attribute {
	maps.Copy(attributes, exposureSchema())
	return attributes
}
