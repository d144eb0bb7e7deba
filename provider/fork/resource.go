// Package fork is the resource sundog_fork.
package fork

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/succession"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

var (
	_ resource.Resource                   = (*forkResource)(nil)
	_ resource.ResourceWithConfigure      = (*forkResource)(nil)
	_ resource.ResourceWithValidateConfig = (*forkResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*forkResource)(nil)
	_ resource.ResourceWithImportState    = (*forkResource)(nil)
)

const (
	defaultApplyTimeout  = 60 * time.Minute
	defaultDeleteTimeout = 30 * time.Minute
)

type forkResource struct{ session *session.Session }

// NewResource makes the resource sundog_fork.
func NewResource() resource.Resource { return &forkResource{} }

// Metadata implements resource.Resource.
func (r *forkResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_fork"
}

// Configure implements resource.ResourceWithConfigure.
func (r *forkResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.session = session.From(req.ProviderData, &resp.Diagnostics)
}

// ValidateConfig implements resource.ResourceWithValidateConfig: rules that are wrong by themselves are found without any
// account.
func (r *forkResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var rules types.List
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("rules"), &rules)...)
	resp.Diagnostics.Append(checkKnownRules(ctx, rules)...)
}

// Create implements resource.Resource. A fork of the same owner is adopted, and one that failed midway continued.
func (r *forkResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan forkModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, diagnostics := plan.Timeouts.Create(ctx, defaultApplyTimeout)
	resp.Diagnostics.Append(diagnostics...)
	resp.Diagnostics.Append(succession.Forget(ctx, resp.Private)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp.Diagnostics.Append(r.apply(ctx, "create", &plan, nil).Write(ctx, &resp.State, resp.Private, memoryKey)...)
}

// Update implements resource.Resource.
func (r *forkResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, prior forkModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &prior)...)
	timeout, diagnostics := plan.Timeouts.Update(ctx, defaultApplyTimeout)
	resp.Diagnostics.Append(diagnostics...)
	remembered, diagnostics := private.Read[memory](ctx, req.Private, memoryKey)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	if remembered != nil && len(remembered.Key) == 0 {
		remembered = nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp.Diagnostics.Append(r.apply(ctx, "update", &plan, &before{state: &prior, memory: remembered}).Write(ctx, &resp.State, resp.Private, memoryKey)...)
}

// Read implements resource.Resource. Gone is told from "could not ask".
func (r *forkResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state forkModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	subject := diagnose.Subject{Verb: "read", Thing: "fork", Name: state.ID.ValueString()}
	name, err := r.nameIn(state.ID.ValueString())
	if errors.Is(err, session.ErrUnknown) {
		resp.Diagnostics.Append(diagnose.Warning("The fork was not refreshed", err.Error()+"."))
		return
	}
	if err != nil {
		resp.Diagnostics.Append(subject.At(path.Root("id"), err))
		return
	}
	state.Name = types.StringValue(name)
	result, err := r.observe(ctx, &state)
	switch {
	case errors.Is(err, session.ErrUnknown):
		resp.Diagnostics.Append(diagnose.Warning("The fork was not refreshed", err.Error()+"."))
		return
	case errors.Is(err, forker.ErrNotFound):
		tflog.Info(ctx, "fork is gone", map[string]any{"id": state.ID.ValueString()})
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	state.refresh(result)
	resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
}

// Delete implements resource.Resource. A fork that is gone already is success.
func (r *forkResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state forkModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diagnostics := state.Timeouts.Delete(ctx, defaultDeleteTimeout)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	if state.Status.ValueString() == statusPartial && succession.Announced(ctx, req.Private, id) {
		tflog.Info(ctx, "what had succeeded of the fork is kept, because the fork is made again", map[string]any{"id": id})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := r.remove(ctx, &state); err != nil {
		resp.Diagnostics.Append(diagnose.Subject{Verb: "delete", Thing: "fork", Name: id}.Error(diagnose.Ending(ctx, err)))
	}
}

func (r *forkResource) remove(ctx context.Context, state *forkModel) error {
	name, err := r.nameIn(state.ID.ValueString())
	if err != nil {
		return err
	}
	carrier, err := r.session.Work(ctx, value.Secrets{}).Forker("sandbox")
	if err != nil {
		return err
	}
	runner, err := r.runner(ctx, state)
	if err != nil {
		return err
	}
	if err := carrier.Destroy(ctx, name, runner); err != nil && !errors.Is(err, forker.ErrNotFound) {
		return err
	}
	return nil
}

// ImportState implements resource.ResourceWithImportState; the id is account/name, with @enclave behind it for a fork that
// has containers: only whoever runs them knows where.
func (r *forkResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	id, enclaveID, inEnclave := strings.Cut(req.ID, "@")
	_, name, err := parseForkID(id)
	if err == nil && inEnclave {
		err = checkEnclave(enclaveID)
	}
	if err != nil {
		resp.Diagnostics.Append(diagnose.Subject{Verb: "import", Thing: "fork", Name: req.ID}.Error(err))
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), id)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), name)...)
	if inEnclave {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("enclave"), enclaveID)...)
	}
}

// nameIn is a fork's name, after checking that the fork is in the account that this provider writes to.
func (r *forkResource) nameIn(id string) (string, error) {
	account, name, err := parseForkID(id)
	if err != nil {
		return "", err
	}
	if configured := r.session.SandboxAccount(); configured != "" && configured != account {
		return "", fmt.Errorf("the fork %q is in the account %s, and the provider's sandbox is the account %s: set sandbox.account_id to %q, or use a provider block (alias) for it",
			name, account, configured, account)
	}
	return name, nil
}
