// Package standin describes containers that speak the protocols of managed services, one file each. A file registers its
// stand-in in init; nothing else has to change for a new one.
package standin

import (
	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// registered is filled by the files' init functions and closed by the first reading.
var registered = descriptor.NewRegistry("stand-in", func(s descriptor.StandIn) string { return s.Name })

// All gives every stand-in, sorted by name.
func All() []descriptor.StandIn { return registered.All() }
