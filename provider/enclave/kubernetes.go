package enclave

import (
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// kubernetesAttribute holds what an enclave can be only on Kubernetes. Each group of attributes has a file of its own.
func kubernetesAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true, Validators: []validator.Object{exposureValidator{}, policyValidator{}},
		MarkdownDescription: "What only Kubernetes offers. It has no effect on Docker, so that one configuration serves both. What is " +
			"left out is as the `kubernetes` block of the provider says. Changes are made in place, and no service is touched: pods that run keep what they were started with. What somebody else changes of it is put right again.",
		Attributes: kubernetesAttributes(),
	}
}

func kubernetesAttributes() map[string]schema.Attribute {
	all := map[string]schema.Attribute{}
	maps.Copy(all, exposureAttributes())
	maps.Copy(all, policyAttributes())
	return all
}

// kubernetesTypes are the types of the attributes by name.
func kubernetesTypes() map[string]attr.Type {
	all := map[string]attr.Type{}
	for name, attribute := range kubernetesAttributes() {
		all[name] = attribute.GetType()
	}
	return all
}

// given are the attributes of the block; none without it.
func given(block types.Object) map[string]attr.Value {
	if block.IsNull() || block.IsUnknown() {
		return nil
	}
	return block.Attributes()
}

// onlyKubernetes puts into a spec what the attribute says, for a backend that can do something with it.
func (m *enclaveModel) onlyKubernetes(engine backend.Backend, spec *backend.Spec) {
	if engine.Name() == "kubernetes" {
		spec.Exposure = exposureOf(given(m.Kubernetes))
		spec.Policy = policyOf(given(m.Kubernetes))
	}
}

// refreshKubernetes takes over what is so on the cluster. Whatever means the same keeps its spelling.
func (m *enclaveModel) refreshKubernetes(found *backend.Enclave) {
	if found.Backend != "kubernetes" {
		return
	}
	attributes := map[string]attr.Value{}
	for name, kind := range kubernetesTypes() {
		attributes[name] = nullOf(kind)
	}
	maps.Copy(attributes, given(m.Kubernetes))
	exposed := refreshExposure(attributes, found.Exposure)
	if bounded := refreshPolicy(attributes, found.Policy); !exposed && !bounded {
		return
	}
	m.Kubernetes = types.ObjectValueMust(kubernetesTypes(), attributes)
}
