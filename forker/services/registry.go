// Package services describes AWS services to the forker, one file each. A file registers its descriptor in init; nothing
// else has to change for a new service. README.md says how to write one.
//
// Nothing outside this package and forker/standin names an AWS service.
package services

import (
	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// registered is filled by the files' init functions and closed by the first reading.
var registered = descriptor.NewRegistry("service", func(d descriptor.Descriptor) string { return d.Name })

// register adds a service's descriptor; each file calls it once, from init.
func register[R, W any](service descriptor.Service[R, W]) {
	registered.Register(descriptor.Bind(service))
}

// All gives the descriptors of every service, sorted by name.
func All() []descriptor.Descriptor { return registered.All() }
