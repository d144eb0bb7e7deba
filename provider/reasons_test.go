package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

// tuned is the shop with an instruction on api, and a service whose package does without it when asked.
func tuned(request session.PackageRequest) (*plan.Plan, error) {
	made, err := shop(nil)(request)
	if err != nil {
		return nil, err
	}
	at := func(line int) plan.Position { return plan.Position{File: "main.star", Line: line, Column: 5} }
	made.Instructions = append(made.Instructions, plan.Instruction{Name: "exec", Position: at(6), Operation: &plan.Exec{
		ID: "api#1", Service: "api", Recipe: plan.ExecRecipe{Command: []string{"tune"}}, Acceptance: plan.Acceptance{Codes: []int64{0}},
	}})
	if _, without := request.Args["without_cache"]; !without {
		made.Instructions = append(made.Instructions, plan.Instruction{Name: "add_service", Position: at(8), Operation: &plan.AddServices{
			Services: []plan.ServiceSpec{{Name: "cache", Image: plan.Image{Name: "db:1"}}},
		}})
	}
	return made, nil
}

// foresees checks that a plan says the given lines, which must be the engine's own, and gives the plan.
func (f *runFixture) foresees(t *testing.T, what string, config acctest.Values, args map[string]any, state *acctest.State, want []string) acctest.Planned {
	t.Helper()
	planned := f.Plan(t, runType, config, state)
	warnings := acctest.Warnings(planned.Diagnostics)
	made, err := tuned(session.PackageRequest{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := engine.New(f.backend, engine.Options{}).Diff(t.Context(), engine.Request{Enclave: "dev", Run: "shop", Owner: "me", Plan: made})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, decision := range decisions {
		if decision.Action != engine.ActionKeep {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", decision.Action, decision.Kind, decision.Object, decision.Reason)))
		}
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s: the engine says %q, want %q", what, lines, want)
	}
	for _, line := range want {
		if !strings.Contains(warnings, line) {
			t.Errorf("%s: the plan does not say %q: %s", what, line, warnings)
		}
	}
	if len(want) == 0 && (warnings != "" || !planned.Value.Equal(state.Value)) {
		t.Errorf("%s: there is nothing to say: %s", what, warnings)
	}
	return planned
}

func TestPlanTellsWhatAnApplyWillDoAndWhy(t *testing.T) {
	f := newRunFixture(t, tuned)
	config, args := runConfig(acctest.Values{"level": acctest.String("1")}), map[string]any{"level": "1"}
	state := f.apply(t, config, nil)
	read := func() {
		t.Helper()
		var text string
		refreshed, diagnostics := f.Read(t, runType, state)
		if text = acctest.Errors(diagnostics); text != "" {
			t.Fatal(text)
		}
		state = refreshed
	}
	status := func(name, want string) {
		t.Helper()
		if got := acctest.Text(t, acctest.At(t, state.Value, "services", name, "status")); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	read()
	f.foresees(t, "nothing", config, args, state, nil)

	changed := runConfig(acctest.Values{"level": acctest.String("2")})
	want := []string{"replace service api: environment variable LEVEL changed", `run step api#1: service "api" was replaced`}
	f.closed = true
	refreshedPlan := f.Plan(t, runType, changed, state)
	f.closed = false
	if text := acctest.Warnings(refreshedPlan.Diagnostics); !strings.Contains(text, want[0]) || !strings.Contains(text, "main.star:4:5") {
		t.Errorf("a plan says it without a connection: %s", text)
	}
	planned := f.foresees(t, "a change", changed, map[string]any{"level": "2"}, state, want)
	f.foresees(t, "a service less", runConfig(acctest.Values{"level": acctest.String("1"), "without_cache": acctest.String("yes")}),
		map[string]any{"level": "1", "without_cache": "yes"}, state, []string{
			"replace service api: environment variable WITHOUT_CACHE was added", `run step api#1: service "api" was replaced`,
			"remove service cache: the plan does not have it any more",
		})

	// The process of an apply has not refreshed: it plans the same, and says nothing.
	later := acctest.NewServer(t, withFakes(t, f.backend, tuned, nil))
	if text := later.Configure(t, acctest.Values{"owner": acctest.String("me")}); text != "" {
		t.Fatal(text)
	}
	again := later.Plan(t, runType, changed, state)
	if !again.Value.Equal(planned.Value) || acctest.Warnings(again.Diagnostics) != "" {
		t.Errorf("another process plans %s, not %s, and says %q", again.Value, planned.Value, acctest.Warnings(again.Diagnostics))
	}
	state = f.apply(t, changed, state)
	config, args = changed, map[string]any{"level": "2"}

	// Whatever happens outside shows by name, with the exit code, and is mended.
	asked, _ := f.backend.Request("dev", "cache")
	for _, c := range []struct {
		name, service, status string
		break_                func() error
		want                  []string
	}{
		{"ended", "db", "exited (3)", func() error { f.backend.Kill("dev", "db", 3); return nil }, []string{"start service db: it is exited (3)"}},
		{"starved", "db", "out of memory (137)", func() error { f.backend.Starve("dev", "db"); return nil }, []string{"start service db: it is out of memory (137)"}},
		{"stopped", "cache", "stopped", func() error { return f.backend.StopService(t.Context(), "dev", "cache") }, []string{"start service cache: it is stopped"}},
		{"gone", "api", "missing", func() error { f.backend.Vanish("dev", "api"); return nil }, []string{"create service api: it is missing: something else removed it", `run step api#1: service "api" was replaced`}},
		{"replaced", "cache", "replaced", func() error {
			f.backend.Vanish("dev", "cache")
			_, err := f.backend.CreateService(t.Context(), "dev", asked)
			if err == nil {
				_, err = f.backend.StartService(t.Context(), "dev", "cache")
			}
			return err
		}, []string{"update service cache: something else has replaced its container"}},
	} {
		if err := c.break_(); err != nil {
			t.Fatal(err)
		}
		read()
		status(c.service, c.status)
		planned := f.foresees(t, c.name, config, args, state, c.want)
		if got := acctest.Text(t, acctest.At(t, planned.Value, "services", c.service, "status")); got != "running" {
			t.Errorf("%s: %s is planned as %q", c.name, c.service, got)
		}
		state = f.apply(t, config, state)
		read()
		f.foresees(t, c.name+", mended", config, args, state, nil)
	}
}

func TestTriggersRunInstructionsAgain(t *testing.T) {
	f := newRunFixture(t, tuned)
	config := runConfig(acctest.Values{})
	triggers := func(value string) {
		config["triggers"] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"seed": acctest.String(value)})
	}
	triggers("1")
	state := f.apply(t, config, nil)
	calls := func() (execs int) {
		for _, call := range f.backend.Calls() {
			if call.Method == "Exec" {
				execs++
			}
		}
		return execs
	}
	before := calls()
	state, _ = f.Read(t, runType, state)
	if planned := f.Plan(t, runType, config, state); !planned.Value.Equal(state.Value) {
		t.Error("the same triggers change nothing")
	}
	triggers("2")
	if text := acctest.Warnings(f.Plan(t, runType, config, state).Diagnostics); !strings.Contains(text, "run step api#1: the triggers changed") {
		t.Errorf("the plan says %q", text)
	}
	changes := len(f.backend.Changes())
	state = f.apply(t, config, state)
	if got := calls() - before; got != 1 || len(f.backend.Changes()) != changes {
		t.Errorf("%d commands ran, and services changed: %v", got, f.backend.Changes()[changes:])
	}
	state, _ = f.Read(t, runType, state)
	if planned := f.Plan(t, runType, config, state); !planned.Value.Equal(state.Value) {
		t.Error("afterwards there is nothing to do")
	}
}

// A package gets to know another run's services from the configuration, and is updated when they change.
func TestExistingServicesAreKnownAtPlan(t *testing.T) {
	var asked session.PackageRequest
	f := newRunFixture(t, func(request session.PackageRequest) (*plan.Plan, error) {
		asked = request
		return shop(nil)(request)
	})
	port := tftypes.Object{AttributeTypes: map[string]tftypes.Type{
		"number": tftypes.Number, "transport_protocol": tftypes.String, "application_protocol": tftypes.String,
	}}
	service := tftypes.Object{AttributeTypes: map[string]tftypes.Type{
		"digest": tftypes.String, "ip_address": tftypes.String, "ports": tftypes.Map{ElementType: port},
	}}
	existing := func(digest, number tftypes.Value) tftypes.Value {
		return tftypes.NewValue(tftypes.Map{ElementType: service}, map[string]tftypes.Value{"mysql": tftypes.NewValue(service, map[string]tftypes.Value{
			"digest": digest, "ip_address": acctest.Unknown(tftypes.String),
			"ports": tftypes.NewValue(tftypes.Map{ElementType: port}, map[string]tftypes.Value{"sql": tftypes.NewValue(port, map[string]tftypes.Value{
				"number": number, "transport_protocol": tftypes.NewValue(tftypes.String, nil), "application_protocol": acctest.String("mysql"),
			})}),
		})})
	}
	config := runConfig(acctest.Values{})
	config["existing_services"] = existing(acctest.Unknown(tftypes.String), acctest.Number(3306))
	planned := f.Plan(t, runType, config, nil)
	if text := acctest.Errors(planned.Diagnostics); text != "" {
		t.Fatal(text)
	}
	if want := (plan.Port{Number: 3306, Transport: "TCP", Application: "mysql"}); asked.Existing["mysql"]["sql"] != want || !asked.SharedEnclave {
		t.Errorf("the package was asked with %+v", asked)
	}
	if !acctest.At(t, planned.Value, "services").IsKnown() {
		t.Error("an unknown address keeps nothing from being known")
	}
	config["existing_services"] = existing(acctest.String("x"), acctest.Unknown(tftypes.Number))
	if planned := f.Plan(t, runType, config, nil); acctest.At(t, planned.Value, "services").IsKnown() {
		t.Error("an unknown port leaves the package for later")
	}
}

// An engine that is away is an error everywhere, and takes nothing out of the state.
func TestEngineThatIsAwayIsNoEmptyEnclave(t *testing.T) {
	f := newRunFixture(t, tuned)
	config := runConfig(acctest.Values{})
	state := f.apply(t, config, nil)
	f.closed = true
	refreshed, diagnostics := f.Read(t, runType, state)
	if text := acctest.Errors(diagnostics); !strings.Contains(text, "unix:///closed.sock") || refreshed == nil || !refreshed.Value.Equal(state.Value) {
		t.Errorf("a refresh must fail and keep the state: %v, %q", refreshed, text)
	}
	if text := acctest.Errors(f.Destroy(t, runType, state, nil)); !strings.Contains(text, "unix:///closed.sock") {
		t.Errorf("a destroy must fail: %q", text)
	}
	changed := runConfig(acctest.Values{"level": acctest.String("2")})
	after, diagnostics := f.Apply(t, runType, changed, state, f.Plan(t, runType, changed, state))
	if text := acctest.Errors(diagnostics); !strings.Contains(text, "unix:///closed.sock") {
		t.Errorf("an apply must fail: %q", text)
	}
	if after == nil || !after.Value.Equal(state.Value) {
		t.Error("a failed update must leave the state as it was")
	}
	f.closed = false
	if refreshed, diagnostics := f.Read(t, runType, state); acctest.Errors(diagnostics) != "" || !refreshed.Value.Equal(state.Value) {
		t.Error("everything is as it was")
	}
}
