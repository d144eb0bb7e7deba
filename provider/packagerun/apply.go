package packagerun

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	backend "github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// before is what an update starts from.
type before struct {
	state  *runModel
	memory *memory
}

// applied is what an apply leaves.
type applied = private.Applied[runModel, memory]

// apply carries the plan out; it is the body of Create (where prior is nil) and Update.
func (r *runResource) apply(ctx context.Context, verb string, planned *runModel, writeOnly types.Dynamic, prior *before) applied {
	var done applied
	d, args, diagnostics := r.interpret(ctx, planned, writeOnly)
	done.Diagnostics.Append(diagnostics...)
	if done.Diagnostics.HasError() {
		return r.keepEarlier(ctx, done, planned, prior)
	}
	subject := diagnose.Subject{Verb: verb, Thing: "package run", Secrets: args.secrets}
	if planned.Name.IsUnknown() || planned.Name.IsNull() {
		planned.Name = types.StringValue(d.name)
	}
	planned.setID()
	subject.Name = planned.ID.ValueString()
	if err := planned.recheck(d); err != nil {
		done.Diagnostics.Append(subject.At(path.Root("package"), err))
		return r.keepEarlier(ctx, done, planned, prior)
	}
	var err error
	if done.Memory, err = startMemory(prior); err != nil {
		done.Diagnostics.Append(subject.Error(err))
		return r.keepEarlier(ctx, done, planned, prior)
	}
	result, err := r.carryOut(ctx, planned, d, args)
	if err != nil {
		done.Diagnostics.Append(subject.Error(diagnose.Ending(ctx, err)))
		done.State = planned.afterFailure(result, prior)
		if done.State == nil {
			done.Memory = nil
		}
		return done
	}
	done.Memory.note(d)
	done.Diagnostics.Append(resultWarnings(subject, result)...)
	done.Diagnostics.Append(planned.afterSuccess(ctx, d, args, result, done.Memory)...)
	done.State = planned
	return done
}

func startMemory(prior *before) (*memory, error) {
	if prior != nil && prior.memory != nil {
		return prior.memory, nil
	}
	key, err := private.NewKey()
	return &memory{Key: key}, err
}

// carryOut asks the engine.
func (r *runResource) carryOut(ctx context.Context, planned *runModel, d *desired, args arguments) (*engine.Result, error) {
	name, err := r.session.EnclaveName(planned.Enclave.ValueString())
	if err != nil {
		return nil, err
	}
	owner, err := r.session.Owner()
	if err != nil {
		return nil, err
	}
	work := r.session.Work(ctx, args.secrets)
	carrier, err := work.Engine()
	if err != nil {
		return nil, err
	}
	r.session.Saw(planned.ID.ValueString(), nil)
	result, err := carrier.Apply(ctx, engine.Request{
		Enclave: name, Run: planned.Name.ValueString(), Owner: owner, Plan: d.plan,
		Parallelism: int(planned.Parallelism.ValueInt64()), Images: backend.ImagePolicy(planned.ImageDownload.ValueString()),
		Secrets: args.secrets.Texts(), Trigger: planned.trigger(),
	})
	if result != nil {
		work.Print(ctx, name, planned.Name.ValueString(), result.Messages)
	}
	return result, importable(err, planned.ID.ValueString())
}

// keepEarlier is for failures before the engine was asked. What an earlier, failed run has left must stay in the state, or
// nobody would know of it any more.
func (r *runResource) keepEarlier(ctx context.Context, done applied, planned *runModel, prior *before) applied {
	if prior != nil || planned.ID.IsUnknown() || planned.ID.IsNull() {
		return done
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	view, err := r.observe(ctx, planned)
	if err != nil {
		return done
	}
	done.State = planned.afterFailure(view.Result(), nil)
	return done
}

// recheck compares the package with what the plan saw.
func (m *runModel) recheck(d *desired) error {
	if !m.Files.IsUnknown() && !m.Files.IsNull() {
		planned := value.Strings(m.Files)
		var changed []string
		for file, digest := range d.plan.Files {
			if planned[file] != digest {
				changed = append(changed, file)
			}
		}
		for file := range planned {
			if _, found := d.plan.Files[file]; !found {
				changed = append(changed, file)
			}
		}
		if len(changed) > 0 {
			slices.Sort(changed)
			return fmt.Errorf("these files have changed since the plan was made: %s. Plan again", strings.Join(changed, ", "))
		}
	}
	if !m.PackageDigest.IsUnknown() && !m.PackageDigest.IsNull() && m.PackageDigest.ValueString() != d.digest {
		return errors.New("a package that this one imports has changed since the plan was made. Plan again")
	}
	return nil
}

// afterSuccess fills everything that was unknown in the plan.
func (m *runModel) afterSuccess(ctx context.Context, d *desired, args arguments, result *engine.Result, remembered *memory) diag.Diagnostics {
	var diagnostics diag.Diagnostics
	foreseen := foreseeServices(d, map[string]service{}, remembered)
	planned := foreseen
	if !m.Services.IsUnknown() {
		planned = readServices(m.Services)
	}
	services := make(map[string]service, len(planned))
	for name, s := range planned {
		now := service{Digest: foreseen[name].Digest}
		if found, there := result.Services[name]; there {
			now = observed(found, now)
		}
		services[name] = settle(s, now)
	}
	m.Services = servicesValue(services)
	m.Status = types.StringValue(statusComplete)
	m.PackageName, m.PackageDigest = types.StringValue(d.plan.PackageName), types.StringValue(d.digest)
	m.Files = filesValue(d.plan.Files)
	m.Artifacts = settleArtifacts(m.Artifacts, result.Artifacts)
	output, sensitive, masked := splitOutput(result.Output, args)
	if masked && !d.masked {
		// It came out of the running environment, so the plan could not warn of it.
		diagnostics.AddAttributeWarning(path.Root("package"), fmt.Sprintf("The package %q has warnings", d.plan.PackageName), maskedWarning)
	}
	for _, target := range []struct {
		attribute *types.Dynamic
		output    any
	}{{&m.Output, output}, {&m.SensitiveOutput, sensitive}} {
		if !target.attribute.IsUnknown() {
			continue
		}
		converted, err := value.ToDynamic(ctx, target.output)
		if err != nil {
			diagnostics.AddAttributeError(path.Root("package"), "Cannot use what the package returned", err.Error())
		}
		*target.attribute = converted
	}
	return diagnostics
}

// settleArtifacts keeps the planned names and fills the digests that were unknown.
func settleArtifacts(planned types.Map, actual map[string]string) types.Map {
	if planned.IsUnknown() || planned.IsNull() {
		return value.StringMap(actual)
	}
	elements := make(map[string]attr.Value, len(planned.Elements()))
	for name, digest := range planned.Elements() {
		if digest.IsUnknown() {
			digest = value.StringOrNull(actual[name])
		}
		elements[name] = digest
	}
	return types.MapValueMust(types.StringType, elements)
}

// afterFailure is the state after a failure: whatever is known to be true, and nothing unknown. It is nil where nothing has
// been made, or where nothing could be learned and the prior state stands.
func (m *runModel) afterFailure(result *engine.Result, prior *before) *runModel {
	if result == nil {
		return nil
	}
	state := *m
	if prior != nil {
		// What the configuration says holds only once it has been carried out; until then the difference must show.
		state = *prior.state
	}
	known := readServices(state.Services)
	services := make(map[string]service, len(result.Services))
	for name, found := range result.Services {
		s := observed(found, known[name].withoutUnknowns())
		services[name] = s.withoutUnknowns()
	}
	state.Services = servicesValue(services)
	state.Artifacts = value.StringMap(result.Artifacts)
	state.Status = types.StringValue(statusPartial)
	if prior == nil {
		state.PackageName, state.PackageDigest = nullIfUnknown(state.PackageName), nullIfUnknown(state.PackageDigest)
		if state.Files.IsUnknown() {
			state.Files = types.MapNull(types.StringType)
		}
		state.Output, state.SensitiveOutput = types.DynamicNull(), types.DynamicNull()
	}
	return &state
}

func (s service) withoutUnknowns() service {
	s.Image, s.Status, s.Hostname = nullIfUnknown(s.Image), nullIfUnknown(s.Status), nullIfUnknown(s.Hostname)
	s.IPAddress, s.Digest = nullIfUnknown(s.IPAddress), nullIfUnknown(s.Digest)
	s.Ports = maps.Clone(s.Ports)
	for id, p := range s.Ports {
		p.URL, p.Host = nullIfUnknown(p.URL), nullIfUnknown(p.Host)
		if p.HostPort.IsUnknown() {
			p.HostPort = types.Int64Null()
		}
		s.Ports[id] = p
	}
	return s
}

func nullIfUnknown(v types.String) types.String {
	if v.IsUnknown() {
		return types.StringNull()
	}
	return v
}

// refresh brings a state to what the engine reports.
func (m *runModel) refresh(ctx context.Context, result *engine.Result) diag.Diagnostics {
	imported := m.Status.IsNull()
	known := readServices(m.Services)
	services := make(map[string]service, len(result.Services))
	for name, found := range result.Services {
		services[name] = observed(found, known[name])
	}
	m.Services = servicesValue(services)
	m.Artifacts = value.StringMap(result.Artifacts)
	m.Status = types.StringValue(statusPartial)
	switch {
	case result.Complete && len(result.Outdated) > 0:
		m.Status = types.StringValue(statusOutdated)
	case result.Complete:
		m.Status = types.StringValue(statusComplete)
	}
	if !imported {
		return nil
	}
	m.Files = types.MapNull(types.StringType)
	// Nobody knows any more which values were sensitive, so all that the package returned is treated as such.
	sensitive, err := value.ToDynamic(ctx, result.Output)
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("Cannot import the output of the package run", err.Error())}
	}
	m.SensitiveOutput = sensitive
	return nil
}

// resultWarnings is at most one warning: a warning is a summary, never a log.
func resultWarnings(subject diagnose.Subject, result *engine.Result) diag.Diagnostics {
	lines := slices.Clone(result.Warnings)
	for _, name := range slices.Sorted(maps.Keys(result.Services)) {
		status := result.Services[name].Status
		if strings.HasPrefix(status, "exited") && !finished(status) {
			lines = append(lines, fmt.Sprintf("the service %q has ended since it was ready: %s. The next apply starts it again", name, status))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return diag.Diagnostics{diagnose.Warning(fmt.Sprintf("The package run %q has warnings", subject.Name),
		subject.Secrets.Mask(strings.Join(lines, "\n")))}
}

func importable(err error, id string) error {
	var owned *backend.OwnedError
	if errors.As(err, &owned) && owned.Kind == "run" {
		return &diagnose.ImportableError{Type: "sundog_package_run", ID: id, Err: err}
	}
	return err
}
