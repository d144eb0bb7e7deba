package kubernetes

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
)

// imageDefaults fills in from environment variables what the options do not say about images.
func (o *Options) imageDefaults(getenv func(string) string) {
	if text := getenv("SUNDOG_KUBERNETES_IMAGE_PULL_SECRETS"); o.PullSecrets == nil && text != "" {
		o.PullSecrets = []string{}
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				o.PullSecrets = append(o.PullSecrets, name)
			}
		}
	}
}

// imageBuildDefaults fills in how built images get to the nodes.
func (o *Options) imageBuildDefaults(getenv func(string) string) {
	if o.ImageRegistry == "" {
		o.ImageRegistry = getenv("SUNDOG_KUBERNETES_IMAGE_REGISTRY")
	}
	if len(o.ImageLoadCommand) == 0 {
		o.ImageLoadCommand = strings.Fields(getenv("SUNDOG_KUBERNETES_IMAGE_LOAD_COMMAND"))
	}
}

// checkImages refuses what cannot be meant about images.
func (o Options) checkImages() error {
	for _, text := range o.PullSecrets {
		namespace, name, elsewhere := strings.Cut(text, "/")
		if !elsewhere {
			namespace, name = "default", text
		}
		if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
			return fmt.Errorf("image_pull_secrets: %q names no Secret: give NAMESPACE/NAME, or NAME for one of the enclave's own namespace", text)
		}
	}
	if o.ImageRegistry != "" {
		host, _, _ := strings.Cut(o.ImageRegistry, "/")
		_, err := reference.ParseNormalizedNamed(strings.TrimSuffix(o.ImageRegistry, "/") + "/image")
		if err != nil || host != "localhost" && !strings.ContainsAny(host, ".:") {
			return fmt.Errorf("image_registry: %q is no registry: give its host, and a path where images are to be below one, for example registry.example.com/team", o.ImageRegistry)
		}
	}
	return nil
}
