package value

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// Attribute is an attribute at the root of a resource.
type Attribute struct {
	Name  string
	Value attr.Value
}

// AttributeSetter is a plan or a state.
type AttributeSetter interface {
	SetAttribute(ctx context.Context, path path.Path, val any) diag.Diagnostics
}

// SetAttributes writes attributes one by one, which leaves all others as the configuration has them.
func SetAttributes(ctx context.Context, target AttributeSetter, attributes ...Attribute) diag.Diagnostics {
	var diagnostics diag.Diagnostics
	for _, attribute := range attributes {
		diagnostics.Append(target.SetAttribute(ctx, path.Root(attribute.Name), attribute.Value)...)
	}
	return diagnostics
}
