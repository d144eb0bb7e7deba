package provider

import (
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/kubernetes"
)

// withImages adds what says how images get to a cluster's nodes.
func withImages(attributes map[string]schema.Attribute) map[string]schema.Attribute {
	maps.Copy(attributes, map[string]schema.Attribute{
		"image_pull_secrets": schema.ListAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Secrets (of the type `kubernetes.io/dockerconfigjson`) by which nodes pull images: `NAMESPACE/NAME`, of which a service gets " +
				"the entries for its image's registry, or `NAME` where something puts that Secret into every namespace. Default: the user's Docker " +
				"configuration (`docker login`); an empty list means that nodes get no credentials but those of a package's `ImageSpec`. Environment: " +
				"`SUNDOG_KUBERNETES_IMAGE_PULL_SECRETS`, separated by commas.",
		},
	})
	return attributes
}

// images reads how images get to a cluster's nodes.
func (r *reader) images(given map[string]attr.Value, options *kubernetes.Options) {
	options.PullSecrets = r.texts("kubernetes.image_pull_secrets", given["image_pull_secrets"])
	if list := given["image_pull_secrets"]; options.PullSecrets == nil && list != nil && !list.IsNull() && !list.IsUnknown() {
		options.PullSecrets = []string{} // An empty list says something.
	}
}
