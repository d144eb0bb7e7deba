package kubernetes

import (
	"fmt"
	"strings"

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
	return nil
}
