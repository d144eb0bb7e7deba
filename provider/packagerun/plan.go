package packagerun

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/succession"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// ModifyPlan implements resource.ResourceWithModifyPlan. It is a pure function of the configuration, the prior state and
// the package's files; it connects to no engine. It runs at least twice for each apply and must give the same both times.
func (r *runResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || r.session == nil {
		return
	}
	var planned runModel
	var writeOnly types.Dynamic
	resp.Diagnostics.Append(req.Plan.Get(ctx, &planned)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("sensitive_args_wo"), &writeOnly)...)
	prior, remembered, diagnostics := priorOf(ctx, req)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	if prior == nil {
		defer func() { resp.Diagnostics.Append(announce(ctx, &planned, resp)...) }()
	}
	if !planned.known(ctx, writeOnly) {
		planned.forget(prior)
		resp.Diagnostics.Append(planned.writePlan(ctx, &resp.Plan)...)
		return
	}
	d, args, diagnostics := r.interpret(ctx, &planned, writeOnly)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	diagnostics = planned.foresee(ctx, d, prior, remembered)
	resp.Diagnostics.Append(diagnostics...)
	resp.Diagnostics.Append(packageWarnings(d)...)
	resp.Diagnostics.Append(planned.writePlan(ctx, &resp.Plan)...)
	// What touches nothing needs no explanation.
	if prior != nil && !resp.Plan.Raw.Equal(req.State.Raw) {
		resp.Diagnostics.Append(r.reasons(&planned, d, args)...)
	}
}

// priorOf reads the prior state and what it remembers; nil for a create.
func priorOf(ctx context.Context, req resource.ModifyPlanRequest) (*runModel, *memory, diag.Diagnostics) {
	if req.State.Raw.IsNull() {
		return nil, nil, nil
	}
	var prior runModel
	diagnostics := req.State.Get(ctx, &prior)
	remembered, more := readMemory(ctx, req.Private)
	diagnostics.Append(more...)
	return &prior, remembered, diagnostics
}

// announce notes for a failed predecessor's delete which run is going to be made.
func announce(ctx context.Context, planned *runModel, resp *resource.ModifyPlanResponse) diag.Diagnostics {
	if planned.Enclave.IsUnknown() || planned.Name.IsUnknown() || resp.Private == nil {
		return nil
	}
	return succession.Announce(ctx, resp.Private, runID(planned.Enclave.ValueString(), planned.Name.ValueString()))
}

// interpret interprets the package of a plan. Errors are those of an attribute, with the place in the package.
func (r *runResource) interpret(ctx context.Context, m *runModel, writeOnly types.Dynamic) (*desired, arguments, diag.Diagnostics) {
	subject := diagnose.Subject{Verb: "interpret", Thing: "package", Name: m.Package.ValueString()}
	args, attribute, err := m.readArguments(writeOnly)
	if err != nil {
		return nil, args, diag.Diagnostics{subject.At(path.Root(attribute), err)}
	}
	subject.Secrets = args.secrets
	settings := r.session.Settings()
	existing, _ := readExisting(m.Existing)
	interpreted, err := r.session.Packages().Interpret(ctx, session.PackageRequest{
		Package: m.Package.ValueString(), BaseDir: settings.WorkDir, Args: args.merged,
		MainFile: m.MainFile.ValueString(), MainFunction: m.MainFunction.ValueString(), Backend: settings.Backend,
		SharedEnclave: true, Existing: existing,
	})
	if err != nil {
		return nil, args, diag.Diagnostics{subject.At(diagnose.Blame(err), err)}
	}
	// While the backend is not known nobody can tell what it lacks.
	if backend, err := r.session.Backend(); err == nil {
		if err := engine.CheckPlan(backend, interpreted); err != nil {
			return nil, args, diag.Diagnostics{diagnose.Subject{Verb: "plan", Thing: "package", Name: m.Package.ValueString(), Secrets: args.secrets}.At(path.Root("package"), err)}
		}
	}
	d, err := want(interpreted, args, m.WOVersion)
	if err != nil {
		return nil, args, diag.Diagnostics{subject.At(path.Root("package"), err)}
	}
	return d, args, nil
}

// forget marks everything that the package decides as not known yet.
func (m *runModel) forget(prior *runModel) {
	if prior == nil {
		if m.Name.IsNull() {
			m.Name = types.StringUnknown()
		}
		m.ID = types.StringUnknown()
	}
	m.setID()
	m.Status = types.StringValue(statusComplete)
	m.PackageName, m.PackageDigest = types.StringUnknown(), types.StringUnknown()
	m.Files, m.Artifacts = types.MapUnknown(types.StringType), types.MapUnknown(types.StringType)
	m.Services = types.MapUnknown(serviceType())
	m.Output, m.SensitiveOutput = types.DynamicUnknown(), types.DynamicUnknown()
}

// foresee fills in what will be. Whatever the package leaves as it was keeps its prior value, so that the difference
// shows what is touched and nothing else.
func (m *runModel) foresee(ctx context.Context, d *desired, prior *runModel, remembered *memory) diag.Diagnostics {
	if m.Name.IsUnknown() || m.Name.IsNull() {
		m.Name = types.StringValue(d.name)
	}
	m.setID()
	m.Status = types.StringValue(statusComplete)
	m.PackageName = types.StringValue(d.plan.PackageName)
	m.PackageDigest = types.StringValue(d.digest)
	m.Files = filesValue(d.plan.Files)

	before := map[string]service{}
	if prior != nil {
		before = readServices(prior.Services)
	}
	services := foreseeServices(d, before, remembered)
	m.Services = servicesValue(services)
	m.Artifacts = foreseeArtifacts(d, prior, remembered)

	same := prior != nil && m.sameInputs(prior) && equalServices(services, before) && m.Artifacts.Equal(prior.Artifacts) &&
		m.Files.Equal(prior.Files) && m.PackageDigest.Equal(prior.PackageDigest) && m.Status.Equal(prior.Status)
	var diagnostics diag.Diagnostics
	m.Output = foreseeOutput(ctx, d.output, d.outputKnown, same, func() types.Dynamic { return prior.Output }, &diagnostics)
	m.SensitiveOutput = foreseeOutput(ctx, d.sensitive, d.sensitiveKnown, same, func() types.Dynamic { return prior.SensitiveOutput }, &diagnostics)
	return diagnostics
}

func filesValue(files map[string]string) types.Map {
	if files == nil {
		return types.MapNull(types.StringType)
	}
	return value.StringMap(files)
}

func foreseeServices(d *desired, before map[string]service, remembered *memory) map[string]service {
	services := make(map[string]service, len(d.services))
	for name, wanted := range d.services {
		old, existed := before[name]
		alive := existed && old.Status.ValueString() != "missing"
		s := service{
			Image: types.StringValue(wanted.spec.Image.Name), Status: types.StringValue(wanted.status),
			Hostname: types.StringValue(name), IPAddress: types.StringUnknown(), Digest: types.StringUnknown(),
			Ports: make(map[string]port, len(wanted.spec.Ports)),
		}
		if remembered != nil {
			s.Digest = types.StringValue(private.Hash(remembered.Key, wanted.inputs))
		}
		// A service that has done its work and ended well needs no starting again.
		if existed && wanted.status == "running" && finished(old.Status.ValueString()) && s.Digest.Equal(old.Digest) {
			s.Status = old.Status
		}
		if alive && !old.IPAddress.IsNull() {
			s.IPAddress = old.IPAddress
		}
		for id, spec := range wanted.spec.Ports {
			s.Ports[id] = foreseePort(spec, old.Ports[id], alive, s.Digest.Equal(old.Digest))
		}
		services[name] = s
	}
	return services
}

// finished tells whether a status says that a process has ended by itself without an error.
func finished(status string) bool { return status == engine.StatusCompleted }

// foreseePort keeps a port's address where the engine does: a service keeps its host ports when it is replaced. Whether a
// port that is not published will be is known only of a service that stays as it is.
func foreseePort(spec plan.Port, old port, alive, kept bool) port {
	p := port{
		Number: types.Int64Value(int64(spec.Number)), Transport: types.StringValue(spec.Transport),
		Application: value.StringOrNull(spec.Application),
		URL:         types.StringUnknown(), Host: types.StringUnknown(), HostPort: types.Int64Unknown(),
	}
	if alive && p.Number.Equal(old.Number) && p.Transport.Equal(old.Transport) && (kept || !old.HostPort.IsNull()) {
		p.Host, p.HostPort = old.Host, old.HostPort
		if kept || p.Application.Equal(old.Application) && sameURL(spec, old) {
			p.URL = old.URL
		}
	}
	return p
}

// sameURL tells whether a port's URL would be made in the same way as the old one.
func sameURL(spec plan.Port, old port) bool {
	if spec.URL == "" {
		return true
	}
	scheme, _, _ := strings.Cut(spec.URL, "://")
	return strings.HasPrefix(old.URL.ValueString(), scheme+"://")
}

// foreseeArtifacts names the artifacts; digests are known where the content is, or where nothing has changed.
func foreseeArtifacts(d *desired, prior *runModel, remembered *memory) types.Map {
	old := map[string]string{}
	if prior != nil {
		old = value.Strings(prior.Artifacts)
	}
	elements := make(map[string]attr.Value, len(d.artifacts))
	for name, wanted := range d.artifacts {
		elements[name] = types.StringUnknown()
		before, existed := old[name]
		if !existed {
			continue
		}
		unchanged := remembered != nil && remembered.Artifacts[name] == private.Hash(remembered.Key, wanted.inputs)
		if unchanged || wanted.digest == before {
			elements[name] = types.StringValue(before)
		}
	}
	return types.MapValueMust(types.StringType, elements)
}

func foreseeOutput(ctx context.Context, output any, outputKnown, same bool, prior func() types.Dynamic, diagnostics *diag.Diagnostics) types.Dynamic {
	if !outputKnown {
		if same {
			return prior()
		}
		return types.DynamicUnknown()
	}
	converted, err := value.ToDynamic(ctx, output)
	if err != nil {
		diagnostics.AddAttributeError(path.Root("package"), "Cannot use what the package returns", err.Error()+
			"\n\nReturn strings, numbers, booleans, None, lists and dictionaries from the package's function.")
		return types.DynamicNull()
	}
	return converted
}

// setID follows from enclave and name.
func (m *runModel) setID() {
	if m.Enclave.IsUnknown() || m.Name.IsUnknown() || m.Name.IsNull() {
		m.ID = types.StringUnknown()
		return
	}
	m.ID = types.StringValue(runID(m.Enclave.ValueString(), m.Name.ValueString()))
}

// writePlan writes the computed attributes one by one, which keeps what the configuration says as it is.
func (m *runModel) writePlan(ctx context.Context, target value.AttributeSetter) diag.Diagnostics {
	return value.SetAttributes(ctx, target,
		value.Attribute{Name: "name", Value: m.Name},
		value.Attribute{Name: "id", Value: m.ID},
		value.Attribute{Name: "status", Value: m.Status},
		value.Attribute{Name: "package_name", Value: m.PackageName},
		value.Attribute{Name: "package_digest", Value: m.PackageDigest},
		value.Attribute{Name: "files", Value: m.Files},
		value.Attribute{Name: "artifacts", Value: m.Artifacts},
		value.Attribute{Name: "services", Value: m.Services},
		value.Attribute{Name: "output", Value: m.Output},
		value.Attribute{Name: "sensitive_output", Value: m.SensitiveOutput},
	)
}

const maskedWarning = "what the package returns contains sensitive arguments, which read " + value.Masked + " in output: return them " +
	"under the key \"sensitive\", or pass what is no secret in args"

// packageWarnings is one warning for all that the package's author should know.
func packageWarnings(d *desired) diag.Diagnostics {
	var lines []string
	for _, warning := range d.plan.Warnings {
		line := warning.Message
		if at := warning.Position.String(); at != "" {
			line = at + ": " + line
		}
		lines = append(lines, line)
	}
	if d.masked {
		lines = append(lines, maskedWarning)
	}
	if len(lines) == 0 {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("package"),
		fmt.Sprintf("The package %q has warnings", d.plan.PackageName), strings.Join(lines, "\n"))}
}

func runID(enclave, name string) string { return enclave + "/" + name }

// parseRunID takes backend/enclave/run apart.
func parseRunID(id string) (enclaveID, run string, err error) {
	cut := strings.LastIndex(id, "/")
	if cut < 0 {
		return "", "", errRunID(id)
	}
	enclaveID, run = id[:cut], id[cut+1:]
	if checkEnclave(enclaveID) != nil || checkRunName(run) != nil {
		return "", "", errRunID(id)
	}
	return enclaveID, run, nil
}

func errRunID(id string) error {
	return fmt.Errorf("%q is no run's id: it has the form backend/enclave/run, for example docker/dev/shop", id)
}
