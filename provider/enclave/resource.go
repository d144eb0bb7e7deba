// Package enclave is the resource sundog_enclave.
package enclave

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

var (
	_ resource.Resource                = (*enclaveResource)(nil)
	_ resource.ResourceWithConfigure   = (*enclaveResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*enclaveResource)(nil)
	_ resource.ResourceWithImportState = (*enclaveResource)(nil)
)

const defaultTimeout = 5 * time.Minute

type enclaveResource struct{ session *session.Session }

// NewResource makes the resource sundog_enclave.
func NewResource() resource.Resource { return &enclaveResource{} }

// Metadata implements resource.Resource.
func (r *enclaveResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_enclave"
}

// Configure implements resource.ResourceWithConfigure.
func (r *enclaveResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.session = session.From(req.ProviderData, &resp.Diagnostics)
}

// ModifyPlan implements resource.ResourceWithModifyPlan: what can be told without asking the engine is told.
func (r *enclaveResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || r.session == nil {
		return
	}
	var plan enclaveModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	// The id of an enclave that is about to be made stays unknown although it could be told: what refers to it is then
	// planned anew together with it, also where an enclave is replaced by one of the same name.
	if name := r.session.BackendName(); plan.Backend.IsUnknown() && name != "" {
		resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("backend"), name)...)
	}
	if isIncomplete(ctx, req.State) {
		// It is made whole, or anew if its record is lost.
		plan.CreatedAt = types.StringUnknown()
		resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("created_at"), plan.CreatedAt)...)
		resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("network"), types.StringUnknown())...)
	}
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("expires_at"), plannedExpiry(&plan))...)
}

func plannedExpiry(plan *enclaveModel) types.String {
	if plan.TTL.IsNull() {
		return types.StringNull()
	}
	if plan.TTL.IsUnknown() || plan.CreatedAt.IsUnknown() || plan.CreatedAt.IsNull() {
		return types.StringUnknown()
	}
	ttl, err := plan.ttl()
	created, parseErr := time.Parse(time.RFC3339, plan.CreatedAt.ValueString())
	if err != nil || parseErr != nil {
		return types.StringUnknown()
	}
	return stamp(expiry(created, ttl))
}

// Create implements resource.Resource. An enclave of the same owner is adopted.
func (r *enclaveResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan enclaveModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, diagnostics := plan.Timeouts.Create(ctx, defaultTimeout)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	subject := diagnose.Subject{Verb: "create", Thing: "enclave", Name: plan.Name.ValueString()}
	engine, err := r.session.Backend()
	if err != nil {
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	made, err := r.create(ctx, engine, &plan)
	if made != nil {
		plan.observed(made)
		resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
	}
	if err != nil {
		resp.Diagnostics.Append(subject.Error(diagnose.Ending(ctx, importable(err, engine.Name()+"/"+plan.Name.ValueString()))))
	}
}

// create makes or adopts the enclave and brings labels, expiry and policy to what is asked for. The result may be there with an
// error: then it has been made, and the state must know it.
func (r *enclaveResource) create(ctx context.Context, engine backend.Backend, plan *enclaveModel) (*backend.Enclave, error) {
	owner, err := r.session.Owner()
	if err != nil {
		return nil, err
	}
	ttl, err := plan.ttl()
	if err != nil {
		return nil, err
	}
	spec := backend.Spec{
		Name: plan.Name.ValueString(), Owner: owner, Labels: value.Strings(plan.Labels),
		ExpiresAt: expiry(time.Now(), ttl),
	}
	plan.onlyKubernetes(engine, &spec)
	made, err := engine.CreateEnclave(ctx, spec)
	if err != nil {
		return r.halfMade(ctx, engine, spec), err
	}
	return adjust(ctx, engine, spec, made, ttl)
}

// halfMade looks for what a failed creation left. It works on a context of its own, since the failure may have been the
// end of the call's.
func (r *enclaveResource) halfMade(ctx context.Context, engine backend.Backend, spec backend.Spec) *backend.Enclave {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	found, err := engine.Enclave(ctx, spec.Name)
	if err != nil || found.Owner != spec.Owner {
		return nil
	}
	return found
}

// adjust corrects what differs: the ttl counts from the creation, which may have been long ago.
func adjust(ctx context.Context, engine backend.Backend, spec backend.Spec, found *backend.Enclave, ttl time.Duration) (*backend.Enclave, error) {
	spec.ExpiresAt = expiry(found.CreatedAt, ttl)
	if maps.Equal(spec.Labels, found.Labels) && spec.ExpiresAt.Equal(found.ExpiresAt) && sameExposure(spec.Exposure, found.Exposure) && samePolicy(spec.Policy, found.Policy) {
		return found, nil
	}
	updated, err := engine.UpdateEnclave(ctx, spec)
	if err != nil {
		return found, err
	}
	return updated, nil
}

// Read implements resource.Resource.
func (r *enclaveResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state enclaveModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	subject := diagnose.Subject{Verb: "read", Thing: "enclave", Name: state.ID.ValueString()}
	engine, err := r.session.Backend()
	if errors.Is(err, session.ErrUnknown) {
		// The state stays as it was: there is nobody to ask yet, and the apply will ask.
		resp.Diagnostics.Append(diagnose.Warning("The enclave was not refreshed", err.Error()+"."))
		return
	}
	if err != nil {
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	name, err := r.session.EnclaveName(state.ID.ValueString())
	if err != nil {
		resp.Diagnostics.Append(subject.At(path.Root("id"), err))
		return
	}
	found, err := engine.Enclave(ctx, name)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		left, err := r.remains(ctx, engine, name)
		switch {
		case err != nil:
			resp.Diagnostics.Append(subject.Error(err))
		case left:
			tflog.Info(ctx, "enclave lacks a part of itself", map[string]any{"id": state.ID.ValueString()})
			state.Network = types.StringNull()
			resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
		default:
			tflog.Info(ctx, "enclave is gone", map[string]any{"id": state.ID.ValueString()})
			resp.State.RemoveResource(ctx)
		}
		return
	case err != nil:
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	if err := state.refreshed(found); err != nil {
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
}

// Update implements resource.Resource: all but the name changes in place.
func (r *enclaveResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan enclaveModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, diagnostics := plan.Timeouts.Update(ctx, defaultTimeout)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	subject := diagnose.Subject{Verb: "update", Thing: "enclave", Name: plan.Name.ValueString()}
	updated, err := r.update(ctx, &plan)
	if err != nil {
		resp.Diagnostics.Append(subject.Error(diagnose.Ending(ctx, err)))
		return
	}
	plan.observed(updated)
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
}

func (r *enclaveResource) update(ctx context.Context, plan *enclaveModel) (*backend.Enclave, error) {
	engine, err := r.session.Backend()
	if err != nil {
		return nil, err
	}
	found, err := engine.Enclave(ctx, plan.Name.ValueString())
	if errors.Is(err, backend.ErrNotFound) && plan.Network.IsUnknown() {
		return r.create(ctx, engine, plan)
	}
	if err != nil {
		return nil, err
	}
	ttl, err := plan.ttl()
	if err != nil {
		return nil, err
	}
	// An imported enclave keeps its owner: importing is taking note, not taking possession.
	spec := backend.Spec{Name: found.Name, Owner: found.Owner, Labels: value.Strings(plan.Labels)}
	plan.onlyKubernetes(engine, &spec)
	return adjust(ctx, engine, spec, found, ttl)
}

// Delete implements resource.Resource. An enclave that is gone already is success.
func (r *enclaveResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state enclaveModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diagnostics := state.Timeouts.Delete(ctx, defaultTimeout)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	subject := diagnose.Subject{Verb: "delete", Thing: "enclave", Name: state.ID.ValueString()}
	engine, err := r.session.Backend()
	if err != nil {
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	name, err := r.session.EnclaveName(state.ID.ValueString())
	if err == nil {
		err = remove(ctx, engine, name)
	}
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		resp.Diagnostics.Append(subject.Error(diagnose.Ending(ctx, err)))
	}
}

// ImportState implements resource.ResourceWithImportState; the id is backend/name.
func (r *enclaveResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	if _, _, err := backend.ParseID(req.ID); err != nil {
		resp.Diagnostics.Append(diagnose.Subject{Verb: "import", Thing: "enclave", Name: req.ID}.Error(err))
		return
	}
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}

// importable adds the import command to the error that tells of another owner.
func importable(err error, id string) error {
	if _, foreign := errors.AsType[*backend.OwnedError](err); foreign {
		return &diagnose.ImportableError{Type: "sundog_enclave", ID: id, Err: err}
	}
	return err
}
