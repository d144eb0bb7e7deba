package provider

import (
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
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
		"image_registry": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Registry, with a path where there is to be one, to which images that packages build are pushed and from which nodes pull them, for " +
				"example `registry.example.com/team`. They are built by the local Docker Engine (`docker.host` or the Docker CLI's choice), and only if the " +
				"registry does not have them already. Environment: `SUNDOG_KUBERNETES_IMAGE_REGISTRY`.",
		},
		"image_load_command": schema.ListAttribute{
			Optional: true, ElementType: types.StringType, Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.ConflictsWith(path.MatchRelative().AtParent().AtName("image_registry"))},
			MarkdownDescription: "For clusters without a registry: a program with arguments that loads an image archive, whose path is added, into the nodes, for example " +
				"`[\"kind\", \"load\", \"image-archive\"]`. Environment: `SUNDOG_KUBERNETES_IMAGE_LOAD_COMMAND`, separated by blanks.",
		},
	})
	return attributes
}

// images reads how images get to a cluster's nodes.
func (r *reader) images(given map[string]attr.Value, options *kubernetes.Options) {
	options.PullSecrets = r.texts("kubernetes.image_pull_secrets", given["image_pull_secrets"])
	options.ImageRegistry = r.text("kubernetes.image_registry", given["image_registry"])
	options.ImageLoadCommand = r.texts("kubernetes.image_load_command", given["image_load_command"])
	if list := given["image_pull_secrets"]; options.PullSecrets == nil && list != nil && !list.IsNull() && !list.IsUnknown() {
		options.PullSecrets = []string{} // An empty list says something.
	}
}
