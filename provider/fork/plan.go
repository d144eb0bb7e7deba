package fork

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
	"github.com/sundog-dev/terraform-provider-sundog/provider/succession"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// ModifyPlan implements resource.ResourceWithModifyPlan. It is a pure function of the configuration and the prior state;
// only where a rule matches tags, production is asked for the tags of resources that are new or have changed.
func (r *forkResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || r.session == nil {
		return
	}
	var planned forkModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &planned)...)
	prior, remembered, diagnostics := priorOf(ctx, req)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	planned.ID = r.plannedID(&planned, prior)
	if prior == nil && !planned.ID.IsUnknown() && resp.Private != nil {
		resp.Diagnostics.Append(succession.Announce(ctx, resp.Private, planned.ID.ValueString())...)
	}
	if !planned.known(ctx) {
		planned.forget()
		resp.Diagnostics.Append(planned.writePlan(ctx, &resp.Plan)...)
		return
	}
	blueprint, diagnostics := r.blueprint(ctx, &planned, remembered)
	resp.Diagnostics.Append(diagnostics...)
	if resp.Diagnostics.HasError() {
		return
	}
	if blueprint == nil {
		planned.forget()
		resp.Diagnostics.Append(planned.writePlan(ctx, &resp.Plan)...)
		return
	}
	planned.foresee(blueprint, prior, remembered)
	resp.Diagnostics.Append(blueprint.warnings()...)
	resp.Diagnostics.Append(planned.writePlan(ctx, &resp.Plan)...)
}

func priorOf(ctx context.Context, req resource.ModifyPlanRequest) (*forkModel, *memory, diag.Diagnostics) {
	if req.State.Raw.IsNull() {
		return nil, nil, nil
	}
	var prior forkModel
	diagnostics := req.State.Get(ctx, &prior)
	remembered, more := private.Read[memory](ctx, req.Private, memoryKey)
	diagnostics.Append(more...)
	if remembered != nil && len(remembered.Key) == 0 {
		remembered = nil
	}
	return &prior, remembered, diagnostics
}

func (r *forkResource) plannedID(planned, prior *forkModel) types.String {
	if prior != nil && planned.Name.Equal(prior.Name) {
		return prior.ID
	}
	account := r.session.SandboxAccount()
	if account == "" || planned.Name.IsUnknown() {
		return types.StringUnknown()
	}
	return types.StringValue(forkID(account, planned.Name.ValueString()))
}

// blueprint is a fork's plan together with what it was made from.
type blueprint struct {
	plan *forker.Plan
	// tags of production by key and the digests that they belong to; nil where no rule asks for tags.
	tags       map[string]map[string]string
	tagDigests map[string]string
}

// blueprint makes the fork's plan. The planned values must be known. It is nil without an error where tags are needed and
// the provider's configuration does not say yet whom to ask.
func (r *forkResource) blueprint(ctx context.Context, planned *forkModel, remembered *memory) (*blueprint, diag.Diagnostics) {
	rules, diagnostics := convertRules(planned.Rules, r.session.Settings().WorkDir)
	if diagnostics.HasError() {
		return nil, diagnostics
	}
	b := &blueprint{}
	resources := planned.inventory()
	if wantsTags(rules) {
		err := r.readTags(ctx, b, resources, remembered)
		if errors.Is(err, session.ErrUnknown) {
			return nil, nil
		}
		if err != nil {
			subject := diagnose.Subject{Verb: "read", Thing: "tags for the rules of fork", Name: planned.Name.ValueString()}
			diagnostics.Append(subject.At(path.Root("rules"), err))
			return nil, diagnostics
		}
	}
	plan, err := forker.NewPlan(forker.PlanRequest{Fork: planned.Name.ValueString(), Resources: resources, Rules: rules})
	if err != nil {
		diagnostics.Append(ruleDiagnostic(err))
		return nil, diagnostics
	}
	b.plan = plan
	if containers := b.containers(); len(containers) > 0 && planned.Enclave.IsNull() {
		diagnostics.AddAttributeError(path.Root("enclave"), fmt.Sprintf("Cannot plan fork %q without an enclave", plan.Fork),
			fmt.Sprintf("These become containers and need an enclave to run in: %s.\n\nSet enclave to the id of a sundog_enclave, or give them another strategy by a rule.",
				strings.Join(containers, ", ")))
	}
	return b, diagnostics
}

// readTags reads the tags of those resources whose configuration has changed since they were last read.
func (r *forkResource) readTags(ctx context.Context, b *blueprint, resources map[string]forker.Resource, remembered *memory) error {
	b.tags, b.tagDigests = map[string]map[string]string{}, map[string]string{}
	var keys []string
	var ask []forker.Resource
	for _, key := range slices.Sorted(maps.Keys(resources)) {
		one := resources[key]
		b.tagDigests[key] = one.Digest
		if remembered != nil {
			if digest, known := remembered.TagDigests[key]; known && digest == one.Digest {
				b.tags[key] = remembered.Tags[key]
				continue
			}
		}
		keys, ask = append(keys, key), append(ask, one)
	}
	if len(ask) > 0 {
		carrier, err := r.session.Work(ctx, value.Secrets{}).Forker("production")
		if err != nil {
			return err
		}
		found, err := carrier.Tags(ctx, ask)
		if err != nil {
			return err
		}
		for i, key := range keys {
			b.tags[key] = tagsOf(found, key, ask[i])
		}
	}
	for key, one := range resources {
		one.Tags = b.tags[key]
		resources[key] = one
	}
	return nil
}

// tagsOf finds a resource's tags in an answer that is keyed by resource key or by ARN.
func tagsOf(found map[string]map[string]string, key string, one forker.Resource) map[string]string {
	if tags, ok := found[key]; ok {
		return tags
	}
	return found[one.ARN]
}

func (b *blueprint) containers() []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(b.plan.Resources)) {
		if b.plan.Resources[key].Strategy == forker.Substitute {
			keys = append(keys, key)
		}
	}
	return keys
}

// warnings is one warning for all rules that do nothing.
func (b *blueprint) warnings() diag.Diagnostics {
	if len(b.plan.Warnings) == 0 {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("rules"),
		fmt.Sprintf("The fork %q has rules without effect", b.plan.Fork), strings.Join(b.plan.Warnings, "\n")+"\n\nCorrect or remove them.")}
}

// tolerates tells whether a resource may be left out when it fails.
func (b *blueprint) tolerates(key string) bool {
	rule, found := b.plan.Rule(key)
	return found && rule.OnError == "skip"
}

// desiredStatus is the status of a resource that is as planned.
func desiredStatus(strategy forker.Strategy) string {
	switch strategy {
	case forker.Substitute:
		return "running"
	case forker.Share:
		return "shared"
	case forker.Skip:
		return "skipped"
	default:
		return "ready"
	}
}

// forget marks everything that inventory and rules decide as not known yet.
func (m *forkModel) forget() {
	m.Status = types.StringValue(statusComplete)
	m.Fidelity, m.FindingsCount = types.NumberUnknown(), types.Int64Unknown()
	m.Resources = types.MapUnknown(entryType())
}

// foresee fills in what will be. Whatever inventory and rules leave as it was keeps its prior value.
func (m *forkModel) foresee(b *blueprint, prior *forkModel, remembered *memory) {
	before := map[string]entry{}
	if prior != nil {
		before = readEntries(prior.Resources)
	}
	entries := make(map[string]entry, len(b.plan.Resources))
	for key, planned := range b.plan.Resources {
		old, existed := before[key]
		entries[key] = foreseeEntry(planned, old, existed && remembered.unchanged(b.plan, key), b.tolerates(key))
	}
	m.Resources = entriesValue(entries)
	m.Status = types.StringValue(statusComplete)
	if prior != nil && m.Resources.Equal(prior.Resources) && m.Status.Equal(prior.Status) && m.sameInputs(prior) {
		m.Fidelity, m.FindingsCount = prior.Fidelity, prior.FindingsCount
		return
	}
	m.Fidelity, m.FindingsCount = types.NumberUnknown(), types.Int64Unknown()
}

func foreseeEntry(planned forker.Planned, old entry, unchanged, tolerated bool) entry {
	desired := desiredStatus(planned.Strategy)
	e := entry{
		Strategy: types.StringValue(string(planned.Strategy)), Reason: value.StringOrNull(planned.Reason),
		SourceARN: value.StringOrNull(planned.Resource.ARN), Name: value.StringOrNull(planned.Name),
		ARN: types.StringUnknown(), URL: types.StringUnknown(), Status: types.StringValue(desired),
	}
	if planned.Strategy == forker.Skip {
		e.ARN, e.URL = types.StringNull(), types.StringNull()
	}
	was := old.Status.ValueString()
	if tolerated && (!unchanged || strings.HasPrefix(was, "failed")) {
		// It may fail and be left out. Once it was, it is left alone until something about it changes.
		e.Status = types.StringUnknown()
		if unchanged {
			e.Status = old.Status
		}
	}
	// A container that has ended is found again where it was; anything that is gone may be made under another address.
	stopped := planned.Strategy == forker.Substitute && was != "missing"
	if unchanged && (was == desired || stopped || e.Status.Equal(old.Status)) {
		e.ARN, e.URL = old.ARN, old.URL
	}
	return e
}

// sameInputs tells whether everything that the user configures is as it was.
func (m *forkModel) sameInputs(other *forkModel) bool {
	for _, pair := range [][2]attr.Value{
		{m.Name, other.Name},
		{m.Inventory, other.Inventory},
		{m.Enclave, other.Enclave},
		{m.Rules, other.Rules},
		{m.Timeouts, other.Timeouts},
	} {
		if !pair[0].Equal(pair[1]) {
			return false
		}
	}
	return true
}

// writePlan writes the computed attributes one by one.
func (m *forkModel) writePlan(ctx context.Context, target value.AttributeSetter) diag.Diagnostics {
	return value.SetAttributes(ctx, target,
		value.Attribute{Name: "id", Value: m.ID},
		value.Attribute{Name: "status", Value: m.Status},
		value.Attribute{Name: "fidelity", Value: m.Fidelity},
		value.Attribute{Name: "findings_count", Value: m.FindingsCount},
		value.Attribute{Name: "resources", Value: m.Resources},
	)
}

func forkID(account, name string) string { return account + "/" + name }

// parseForkID takes account/name apart.
func parseForkID(id string) (account, name string, err error) {
	account, name, found := strings.Cut(id, "/")
	if !found || len(account) != 12 || strings.Trim(account, "0123456789") != "" || forker.CheckName(name) != nil {
		return "", "", fmt.Errorf("%q is no fork's id: it has the form account/name, for example 222222222222/staging", id)
	}
	return account, name, nil
}
