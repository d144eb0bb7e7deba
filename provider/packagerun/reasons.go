package packagerun

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/provider/diagnose"
)

// maxReasons is how many lines a plan says about one run; `sundog enclave diff` says all.
const maxReasons = 40

// reasons tells what an apply will do to a run and why, in the words of `sundog enclave diff`. It compares with what the
// refresh saw and asks no engine; where nothing was refreshed in this process, it says nothing.
func (r *runResource) reasons(planned *runModel, d *desired, args arguments) diag.Diagnostics {
	view := r.session.Seen(planned.ID.ValueString())
	if view == nil {
		return nil
	}
	name, err := r.session.EnclaveName(planned.Enclave.ValueString())
	if err != nil {
		return nil
	}
	request := engine.Request{
		Enclave: name, Run: planned.Name.ValueString(), Owner: view.Result().Owner, Plan: d.plan, Trigger: planned.trigger(),
	}
	decisions, err := view.Diff(request)
	if err != nil {
		// Whatever is wrong shows in the apply; a plan is no worse for not explaining itself.
		return nil
	}
	var lines []string
	for _, decision := range decisions {
		if decision.Action == engine.ActionKeep {
			continue
		}
		line := fmt.Sprintf("%s %s %s: %s", decision.Action, decision.Kind, decision.Object, decision.Reason)
		if at := decision.Position.String(); at != "" {
			line += " (" + at + ")"
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil
	}
	if more := len(lines) - maxReasons; more > 0 {
		lines = append(lines[:maxReasons], fmt.Sprintf("and %d more; `sundog enclave diff` shows all", more))
	}
	return diag.Diagnostics{diagnose.Warning(fmt.Sprintf("What an apply will do to the package run %q, and why", planned.ID.ValueString()),
		args.secrets.Mask(strings.Join(lines, "\n")))}
}

// trigger stands for the triggers in what the engine records; empty without any.
func (m *runModel) trigger() string {
	if m.Triggers.IsNull() || m.Triggers.IsUnknown() || len(m.Triggers.Elements()) == 0 {
		return ""
	}
	return sum(m.Triggers.String())
}
