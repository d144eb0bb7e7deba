package docker

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// portHolder says in words who has a host port, as far as that can be told.
func (c *connection) portHolder(ctx context.Context, transport string, number int) string {
	containers, err := c.ContainerList(ctx, client.ContainerListOptions{})
	if err == nil {
		for _, item := range containers.Items {
			for _, port := range item.Ports {
				if int(port.PublicPort) != number || !strings.EqualFold(port.Type, transport) {
					continue
				}
				if service := item.Labels[enclave.LabelService]; service != "" {
					return fmt.Sprintf("service %q of the enclave %q", service, item.Labels[enclave.LabelEnclave])
				}
				return fmt.Sprintf("the container %q, which Sundog did not make", containerName(item))
			}
		}
	}
	if c.endpoint.isLocal() {
		if process := portProcess(transport, number); process != "" {
			return process
		}
	}
	return "another process of the engine's machine"
}
