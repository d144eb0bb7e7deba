package language

import (
	"fmt"

	"go.starlark.net/starlark"
)

// unknownPorts stand in for the ports of a service of another run of which nothing but the name is known. Whoever looks
// into them learns what to do.
type unknownPorts struct {
	service string
	// looked is told when somebody looks for a port: the operator "in" takes no error.
	looked func(error)
}

var (
	_ starlark.Mapping  = unknownPorts{}
	_ starlark.HasAttrs = unknownPorts{}
)

func (p unknownPorts) String() string        { return fmt.Sprintf("(ports of %s)", p.service) }
func (p unknownPorts) Type() string          { return "unknown ports" }
func (p unknownPorts) Freeze()               {}
func (p unknownPorts) Truth() starlark.Bool  { return true }
func (p unknownPorts) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", p.Type()) }

func (p unknownPorts) unknown() error {
	return fmt.Errorf("the ports of service '%s', which another run has added, are not known while the package is interpreted: pass them "+
		"as arguments, or give existing_services in the configuration of the package run", p.service)
}

// Get implements starlark.Mapping.
func (p unknownPorts) Get(starlark.Value) (starlark.Value, bool, error) {
	err := p.unknown()
	p.looked(err)
	return nil, false, err
}

// Attr implements starlark.HasAttrs.
func (p unknownPorts) Attr(string) (starlark.Value, error) { return nil, p.unknown() }

// AttrNames implements starlark.HasAttrs.
func (p unknownPorts) AttrNames() []string { return nil }
