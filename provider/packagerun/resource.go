// Package packagerun is the resource sundog_package_run.
package packagerun

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/succession"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

var (
	_ resource.Resource                = (*runResource)(nil)
	_ resource.ResourceWithConfigure   = (*runResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*runResource)(nil)
	_ resource.ResourceWithImportState = (*runResource)(nil)
)

const (
	defaultApplyTimeout  = 20 * time.Minute
	defaultDeleteTimeout = 5 * time.Minute
)

type runResource struct{ session *session.Session }

// NewResource makes the resource sundog_package_run.
func NewResource() resource.Resource { return &runResource{} }

// Metadata implements resource.Resource.
func (r *runResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_package_run"
}

// Configure implements resource.ResourceWithConfigure.
func (r *runResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.session = session.From(req.ProviderData, &resp.Diagnostics)
}

// Create implements resource.Resource. A run of the same owner is adopted, and one that failed midway continued.
func (r *runResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan runModel
	var writeOnly types.Dynamic
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("sensitive_args_wo"), &writeOnly)...)
	timeout, diagnostics := plan.Timeouts.Create(ctx, defaultApplyTimeout)
	resp.Diagnostics.Append(diagnostics...)
	resp.Diagnostics.Append(succession.Forget(ctx, resp.Private)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp.Diagnostics.Append(r.apply(ctx, "create", &plan, writeOnly, nil).Write(ctx, &resp.State, resp.Private, memoryKey)...)
}

// Update implements resource.Resource: the engine works out what is to be done, healing included.
func (r *runResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, prior runModel
	var writeOnly types.Dynamic
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &prior)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("sensitive_args_wo"), &writeOnly)...)
	timeout, diagnostics := plan.Timeouts.Update(ctx, defaultApplyTimeout)
	resp.Diagnostics.Append(diagnostics...)
	remembered, diagnostics := readMemory(ctx, req.Private)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp.Diagnostics.Append(r.apply(ctx, "update", &plan, writeOnly, &before{state: &prior, memory: remembered}).Write(ctx, &resp.State, resp.Private, memoryKey)...)
}

// Read implements resource.Resource. Gone is told from "could not ask": an engine that is away must not empty the state.
func (r *runResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state runModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	subject := diagnose.Subject{Verb: "read", Thing: "package run", Name: state.ID.ValueString(), Secrets: state.secrets()}
	r.session.Saw(state.ID.ValueString(), nil)
	view, err := r.observe(ctx, &state)
	switch {
	case errors.Is(err, session.ErrUnknown):
		resp.Diagnostics.Append(diagnose.Warning("The package run was not refreshed", err.Error()+"."))
		return
	case errors.Is(err, engine.ErrNoRun), errors.Is(err, backend.ErrNotFound):
		tflog.Info(ctx, "package run is gone", map[string]any{"id": state.ID.ValueString()})
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		resp.Diagnostics.Append(subject.Error(err))
		return
	}
	resp.Diagnostics.Append(state.refresh(ctx, view.Result())...)
	r.session.Saw(state.ID.ValueString(), view)
	resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
}

func (r *runResource) observe(ctx context.Context, state *runModel) (*engine.View, error) {
	enclaveID, run, err := parseRunID(state.ID.ValueString())
	if err != nil {
		return nil, err
	}
	name, err := r.session.EnclaveName(enclaveID)
	if err != nil {
		return nil, err
	}
	carrier, err := r.session.Work(ctx, state.secrets()).Engine()
	if err != nil {
		return nil, err
	}
	if backend.ImagePolicy(state.ImageDownload.ValueString()) == backend.ImageAlways {
		return carrier.ViewNewerImages(ctx, name, run)
	}
	return carrier.View(ctx, name, run)
}

// Delete implements resource.Resource. A run, or an enclave, that is gone already is success.
func (r *runResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state runModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diagnostics := state.Timeouts.Delete(ctx, defaultDeleteTimeout)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	if state.Status.ValueString() == statusPartial && succession.Announced(ctx, req.Private, id) {
		tflog.Info(ctx, "what had succeeded of the package run is kept, because the run is made again", map[string]any{"id": id})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := r.remove(ctx, &state); err != nil {
		resp.Diagnostics.Append(diagnose.Subject{Verb: "delete", Thing: "package run", Name: id}.Error(diagnose.Ending(ctx, err)))
	}
}

func (r *runResource) remove(ctx context.Context, state *runModel) error {
	enclaveID, run, err := parseRunID(state.ID.ValueString())
	if err != nil {
		return err
	}
	name, err := r.session.EnclaveName(enclaveID)
	if err != nil {
		return err
	}
	carrier, err := r.session.Work(ctx, state.secrets()).Engine()
	if err != nil {
		return err
	}
	r.session.Saw(state.ID.ValueString(), nil)
	err = carrier.Remove(ctx, name, run)
	if errors.Is(err, engine.ErrNoRun) || errors.Is(err, backend.ErrNotFound) {
		return nil
	}
	return err
}

// ImportState implements resource.ResourceWithImportState; the id is backend/enclave/run.
func (r *runResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	enclaveID, run, err := parseRunID(req.ID)
	if err != nil {
		resp.Diagnostics.Append(diagnose.Subject{Verb: "import", Thing: "package run", Name: req.ID}.Error(err))
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), req.ID)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("enclave"), enclaveID)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), run)...)
}

// secrets are the ones that the state knows, for messages.
func (m *runModel) secrets() value.Secrets {
	if sensitive, err := value.ToObject("sensitive_args", m.SensitiveArgs); err == nil {
		return value.NewSecrets(sensitive)
	}
	return value.Secrets{}
}
