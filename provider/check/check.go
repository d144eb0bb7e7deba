// Package check turns plain functions into validators of the framework, so that each rule is written once, in the room
// that knows it.
package check

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

type stringCheck struct {
	description string
	check       func(string) error
}

// String validates a known string. Description completes "the value must be ...".
func String(description string, check func(string) error) validator.String {
	return stringCheck{description, check}
}

// Description implements validator.String.
func (c stringCheck) Description(context.Context) string { return "the value must be " + c.description }

// MarkdownDescription implements validator.String.
func (c stringCheck) MarkdownDescription(ctx context.Context) string { return c.Description(ctx) }

// ValidateString implements validator.String.
func (c stringCheck) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := c.check(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, fmt.Sprintf("Invalid value of %s", req.Path),
			fmt.Sprintf("%v\n\nGive %s.", err, c.description))
	}
}

type keysCheck struct{ stringCheck }

// Keys validates the keys of a known map.
func Keys(description string, check func(string) error) validator.Map {
	return keysCheck{stringCheck{description, check}}
}

// ValidateMap implements validator.Map.
func (c keysCheck) ValidateMap(_ context.Context, req validator.MapRequest, resp *validator.MapResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(req.ConfigValue.Elements())) {
		if err := c.check(key); err != nil {
			resp.Diagnostics.AddAttributeError(req.Path.AtMapKey(key), fmt.Sprintf("Invalid key in %s", req.Path),
				fmt.Sprintf("%v\n\nGive %s.", err, c.description))
		}
	}
}
