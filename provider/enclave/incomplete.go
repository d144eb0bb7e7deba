package enclave

import (
	"context"
	"errors"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// An enclave that lacks a part of itself, as after a destruction that was cut off or where somebody pruned, stays in the
// state without a network: an apply makes it whole, and a destruction removes what is left. Without the state nobody would.

// isIncomplete tells whether the last refresh has found it so.
func isIncomplete(ctx context.Context, state tfsdk.State) bool {
	if state.Raw.IsNull() {
		return false
	}
	var network types.String
	diagnostics := state.GetAttribute(ctx, path.Root("network"), &network)
	return !diagnostics.HasError() && network.IsNull()
}

// remains tells whether something is left of an enclave that is not there, and ours.
func (r *enclaveResource) remains(ctx context.Context, engine backend.Backend, name string) (bool, error) {
	asked, ok := engine.(backend.Remaining)
	if !ok {
		return false, nil
	}
	left, err := asked.Remains(ctx, name)
	if err != nil || left == nil {
		return false, err
	}
	owner, err := r.session.Owner()
	return err == nil && (left.Owner == "" || left.Owner == owner), err
}

// remove removes an enclave once no apply in it is under way: a provider whose CLI was killed may still be at work. Of one
// that lacks a part of itself what is left is removed.
func remove(ctx context.Context, carrier backend.Backend, name string) error {
	_, err := carrier.Enclave(ctx, name)
	if errors.Is(err, backend.ErrNotFound) {
		return carrier.RemoveEnclave(ctx, name)
	}
	if err != nil {
		return err
	}
	return engine.New(carrier, engine.Options{}).Dispose(ctx, name, engine.Disposal{})
}
