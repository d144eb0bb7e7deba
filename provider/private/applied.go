package private

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
)

// Applied is what an apply of a resource leaves: the state to store (nil to leave it as it is), and what to remember of it.
type Applied[State, Memory any] struct {
	State       *State
	Memory      *Memory
	Diagnostics diag.Diagnostics
}

// Write puts what an apply leaves into its response, what it remembers under a key.
func (a Applied[State, Memory]) Write(ctx context.Context, state *tfsdk.State, kept Writer, key string) diag.Diagnostics {
	diagnostics := a.Diagnostics
	if a.State != nil {
		diagnostics.Append(state.Set(ctx, a.State)...)
	}
	if a.Memory != nil {
		diagnostics.Append(Write(ctx, kept, key, *a.Memory)...)
	}
	return diagnostics
}
