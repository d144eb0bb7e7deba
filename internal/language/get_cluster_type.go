package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newGetClusterType() *builtin {
	return instruction("get_cluster_type", "Gives the backend that the plan is made for.", "string: docker, kubernetes or podman", func(c *call) (starlark.Value, error) {
		if c.bad() {
			return nil, nil
		}
		// It asks nothing of the enclave: an instruction that requires no service carries it.
		c.record(&plan.GetServices{}, "Getting the type of the cluster")
		return starlark.String(c.in.request.Backend), nil
	})
}
