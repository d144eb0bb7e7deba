package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
	"github.com/sundog-dev/terraform-provider-sundog/provider/acctest"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

const runType = "sundog_package_run"

// shop is a package in Go: services db and api, of which api gets the arguments as its environment.
func shop(files map[string]string) acctest.Interpreter {
	return func(request session.PackageRequest) (*plan.Plan, error) {
		if message, broken := request.Args["fail"].(string); broken {
			return nil, errors.New("main.star:3:5: " + message)
		}
		image := "api:1"
		if asked, ok := request.Args["image"].(string); ok {
			image = asked
		}
		env := map[string]string{}
		for name, v := range request.Args {
			env[strings.ToUpper(name)] = fmt.Sprint(v)
		}
		port := plan.Port{Number: 8080, Transport: "TCP", Application: "http"}
		ip := plan.RuntimeValue{Producer: "db", Field: "ip_address"}
		return &plan.Plan{
			PackageName: "github.com/acme/Shop", Files: files,
			Instructions: []plan.Instruction{
				{Name: "add_service", Position: plan.Position{File: "main.star", Line: 2, Column: 5}, Operation: &plan.AddServices{
					Services: []plan.ServiceSpec{{Name: "db", Image: plan.Image{Name: "db:1"}}},
				}},
				{Name: "add_service", Position: plan.Position{File: "main.star", Line: 4, Column: 5}, Operation: &plan.AddServices{
					Services: []plan.ServiceSpec{{Name: "api", Image: plan.Image{Name: image}, Ports: map[string]plan.Port{"http": port}, Env: env}},
				}},
			},
			Output: map[string]any{
				"db": ip.String(), "token": request.Args["token"],
				"sensitive": map[string]any{"token": request.Args["token"], "plain": "shown only here"},
			},
		}, nil
	}
}

// shopWithPort is a package whose only service has one port, "dns".
func shopWithPort(port plan.Port) acctest.Interpreter {
	return func(session.PackageRequest) (*plan.Plan, error) {
		return &plan.Plan{PackageName: "github.com/acme/shop", Instructions: []plan.Instruction{
			{Name: "add_service", Position: plan.Position{File: "main.star", Line: 2, Column: 5}, Operation: &plan.AddServices{
				Services: []plan.ServiceSpec{{Name: "api", Image: plan.Image{Name: "api:1"}, Ports: map[string]plan.Port{"dns": port}}},
			}},
		}}, nil
	}
}

type runFixture struct {
	*acctest.Server
	backend *memory.Backend
	// closed makes every call of the backend fail as a closed socket does.
	closed bool
	exits  map[string]int
}

func newRunFixture(t *testing.T, interpreter acctest.Interpreter) *runFixture {
	t.Helper()
	f := &runFixture{exits: map[string]int{}}
	f.backend = memory.New(memory.Hooks{
		Before: func(context.Context, memory.Call) error {
			if f.closed {
				return &enclave.UnreachableError{Endpoint: "unix:///closed.sock", Chosen: "a test", Err: errors.New("closed")}
			}
			return nil
		},
		Start: func(_ string, request enclave.ServiceRequest) memory.Outcome {
			if code, exits := f.exits[request.Spec.Name]; exits {
				return memory.Outcome{Exited: true, Code: code}
			}
			return memory.Outcome{}
		},
		Logs: func(_, service string) string { return service + " says goodbye\n" },
	})
	for _, image := range []string{"db:1", "api:1", "api:2"} {
		f.backend.AddImage(image)
	}
	if _, err := acctest.Docker(f.backend).CreateEnclave(t.Context(), enclave.Spec{Name: "dev", Owner: "me"}); err != nil {
		t.Fatal(err)
	}
	f.Server = acctest.NewServer(t, withFakes(t, f.backend, interpreter, nil))
	if text := f.Configure(t, acctest.Values{"owner": acctest.String("me")}); text != "" {
		t.Fatal(text)
	}
	return f
}

func runConfig(args acctest.Values) acctest.Values {
	return acctest.Values{
		"enclave": acctest.String("docker/dev"), "package": acctest.String("./shop"), "args": acctest.Object(args),
	}
}

func (f *runFixture) apply(t *testing.T, config acctest.Values, prior *acctest.State) *acctest.State {
	t.Helper()
	planned := f.Plan(t, runType, config, prior)
	if text := acctest.Errors(planned.Diagnostics); text != "" {
		t.Fatal(text)
	}
	// A CLI plans a second time before it applies, from the same prior state, and insists on the same result.
	if again := f.Plan(t, runType, config, prior); !again.Value.Equal(planned.Value) {
		t.Fatalf("two passes disagree:\n%s\n%s", planned.Value, again.Value)
	}
	state, diagnostics := f.Apply(t, runType, config, prior, planned)
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	checkConsistent(t, nil, planned.Value, state.Value)
	return state
}

// checkConsistent is the CLIs' rule: what was known in the plan is unchanged in the state, and nothing is unknown.
func checkConsistent(t *testing.T, path []string, planned, actual tftypes.Value) {
	t.Helper()
	if !actual.IsFullyKnown() {
		t.Errorf("%v: unknown after apply", path)
		return
	}
	if !planned.IsKnown() || planned.Equal(actual) {
		return
	}
	var plannedParts, actualParts map[string]tftypes.Value
	if planned.IsNull() || actual.IsNull() || planned.As(&plannedParts) != nil || actual.As(&actualParts) != nil {
		t.Errorf("%v: planned %s, got %s", path, planned, actual)
		return
	}
	if len(plannedParts) != len(actualParts) {
		t.Errorf("%v: planned %d parts, got %d", path, len(plannedParts), len(actualParts))
	}
	for name, part := range plannedParts {
		checkConsistent(t, append(path, name), part, actualParts[name])
	}
}

func TestRunIsKnownAtPlan(t *testing.T) {
	f := newRunFixture(t, shop(map[string]string{"main.star": "abc"}))
	f.closed = true // Planning must ask no engine.
	planned := f.Plan(t, runType, runConfig(acctest.Values{"replicas": acctest.Number(2)}), nil)
	if text := acctest.Errors(planned.Diagnostics); text != "" {
		t.Fatal(text)
	}
	for path, want := range map[string]string{
		"name": "shop", "id": "docker/dev/shop", "status": "complete", "package_name": "github.com/acme/Shop",
		"files main.star": "abc", "services api image": "api:1", "services api status": "running", "services api hostname": "api",
		"services api ip_address": "(unknown)", "services api ports http url": "(unknown)",
		"services api ports http application_protocol": "http", "services db image": "db:1",
	} {
		if got := acctest.Text(t, acctest.At(t, planned.Value, strings.Fields(path)...)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestRunToleratesEveryUnknownArgument(t *testing.T) {
	f := newRunFixture(t, shop(nil))
	all := acctest.Values{
		"enclave": acctest.String("docker/dev"), "package": acctest.String("./shop"), "name": acctest.String("shop"),
		"args":              acctest.Object(acctest.Values{"a": acctest.String("b")}),
		"sensitive_args":    acctest.Object(acctest.Values{"b": acctest.String("c")}),
		"sensitive_args_wo": acctest.Object(acctest.Values{"c": acctest.String("d")}), "sensitive_args_wo_version": acctest.Number(1),
		"main_file": acctest.String("main.star"), "main_function": acctest.String("run"), "parallelism": acctest.Number(2),
		"image_download": acctest.String("never"),
	}
	for name, known := range all {
		values := maps.Clone(all)
		variants := []tftypes.Value{acctest.Unknown(known.Type())}
		if strings.Contains(name, "args") && !strings.Contains(name, "version") {
			variants = []tftypes.Value{
				acctest.Unknown(tftypes.DynamicPseudoType),
				acctest.Object(acctest.Values{"deep": acctest.Object(acctest.Values{"x": acctest.Unknown(tftypes.String)})}),
			}
		}
		for _, variant := range variants {
			values[name] = variant
			if text := acctest.Errors(f.Validate(t, runType, values)); text != "" {
				t.Errorf("validate with unknown %s: %s", name, text)
			}
			planned := f.Plan(t, runType, values, nil)
			if text := acctest.Errors(planned.Diagnostics); text != "" {
				t.Errorf("plan with unknown %s: %s", name, text)
				continue
			}
			interpreted := !strings.Contains(name, "args") && name != "package" && !strings.HasPrefix(name, "main")
			if got := acctest.At(t, planned.Value, "services").IsKnown(); got != interpreted {
				t.Errorf("with unknown %s, services known is %v", name, got)
			}
		}
	}
}

func TestRunLifeCycle(t *testing.T) {
	f := newRunFixture(t, shop(map[string]string{"main.star": "abc"}))
	config := runConfig(acctest.Values{"replicas": acctest.Number(2)})
	state := f.apply(t, config, nil)
	if got := acctest.Text(t, acctest.At(t, state.Value, "services", "db", "status")); got != "running" {
		t.Errorf("db is %s", got)
	}
	refreshed, diagnostics := f.Read(t, runType, state)
	if text := acctest.Errors(diagnostics); text != "" || !refreshed.Value.Equal(state.Value) {
		t.Errorf("a refresh must change nothing: %s\n%s\n%s", text, state.Value, refreshed.Value)
	}
	f.closed = true
	if again := f.Plan(t, runType, config, refreshed); !again.Value.Equal(state.Value) {
		t.Errorf("the second plan must be empty:\n%s\n%s", state.Value, again.Value)
	}
	f.closed = false

	// A change of api touches api and nothing else; its address and host port stay.
	changed := runConfig(acctest.Values{"replicas": acctest.Number(3), "image": acctest.String("api:2")})
	planned := f.Plan(t, runType, changed, refreshed)
	for _, path := range [][]string{{"services", "db"}, {"services", "api", "ip_address"}, {"services", "api", "ports"}} {
		if !acctest.At(t, planned.Value, path...).Equal(acctest.At(t, refreshed.Value, path...)) {
			t.Errorf("%v must keep its prior value: %s", path, acctest.At(t, planned.Value, path...))
		}
	}
	if acctest.At(t, planned.Value, "services", "api", "digest").Equal(acctest.At(t, refreshed.Value, "services", "api", "digest")) {
		t.Error("the digest of api must change")
	}
	state = f.apply(t, changed, refreshed)
	if got := acctest.Text(t, acctest.At(t, state.Value, "services", "api", "image")); got != "api:2" {
		t.Errorf("api's image is %s", got)
	}

	// A service that has died shows, and is started again.
	f.backend.Kill("dev", "db", 1)
	refreshed, _ = f.Read(t, runType, state)
	if got := acctest.Text(t, acctest.At(t, refreshed.Value, "services", "db", "status")); got != "exited (1)" {
		t.Errorf("after the kill db is %s", got)
	}
	planned = f.Plan(t, runType, changed, refreshed)
	if got := acctest.Text(t, acctest.At(t, planned.Value, "services", "db", "status")); got != "running" {
		t.Errorf("db is planned as %s", got)
	}
	state = f.apply(t, changed, refreshed)

	// A service that has vanished is made again.
	f.backend.Vanish("dev", "db")
	refreshed, _ = f.Read(t, runType, state)
	if got := acctest.Text(t, acctest.At(t, refreshed.Value, "services", "db", "status")); got != "missing" {
		t.Errorf("db is %s", got)
	}
	state = f.apply(t, changed, refreshed)

	for name, value := range map[string]tftypes.Value{"enclave": acctest.String("docker/other"), "name": acctest.String("else")} {
		moved := runConfig(acctest.Values{})
		moved[name] = value
		if planned := f.Plan(t, runType, moved, state); len(planned.Replace) == 0 {
			t.Errorf("another %s must replace the run", name)
		}
	}
	if text := acctest.Errors(f.Destroy(t, runType, state, nil)); text != "" {
		t.Fatal(text)
	}
	snapshot, err := f.backend.Observe(t.Context(), "dev")
	if err != nil || len(snapshot.Services) != 0 {
		t.Errorf("services left: %v, %v", snapshot.Services, err)
	}
	if text := acctest.Errors(f.Destroy(t, runType, state, nil)); text != "" {
		t.Errorf("deleting what is gone must succeed: %s", text)
	}
	if gone, _ := f.Read(t, runType, state); gone != nil {
		t.Error("a run that is gone must leave the state")
	}
	if err := f.backend.RemoveEnclave(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	if gone, diagnostics := f.Read(t, runType, state); gone != nil || acctest.Errors(diagnostics) != "" {
		t.Error("a run whose enclave is gone must leave the state")
	}
	if text := acctest.Errors(f.Destroy(t, runType, state, nil)); text != "" {
		t.Errorf("deleting a run whose enclave is gone must succeed: %s", text)
	}
}

func TestFailedCreateIsContinued(t *testing.T) {
	f := newRunFixture(t, shop(nil))
	f.exits["api"] = 3
	config := runConfig(acctest.Values{})
	planned := f.Plan(t, runType, config, nil)
	state, diagnostics := f.Apply(t, runType, config, nil, planned)
	text := acctest.Errors(diagnostics)
	for _, want := range []string{`Cannot create package run "docker/dev/shop"`, "main.star:4:5", "api", "3", "says goodbye"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if state == nil || !state.Value.IsFullyKnown() {
		t.Fatalf("the state must hold what is true and nothing unknown: %v", state)
	}
	if got := acctest.Text(t, acctest.At(t, state.Value, "status")); got != "partial" {
		t.Errorf("status is %s", got)
	}
	if got := acctest.Text(t, acctest.At(t, state.Value, "services", "db", "status")); got != "running" {
		t.Errorf("what had succeeded must be in the state: db is %s", got)
	}
	before, err := f.backend.Service(t.Context(), "dev", "db")
	if err != nil {
		t.Fatal(err)
	}

	// The CLI has tainted the object: it plans a create, deletes with that plan's private data, and creates.
	delete(f.exits, "api")
	replanned := f.Plan(t, runType, config, nil)
	if text := acctest.Errors(f.Destroy(t, runType, state, replanned.Private)); text != "" {
		t.Fatal(text)
	}
	continued, diagnostics := f.Apply(t, runType, config, nil, replanned)
	if text := acctest.Errors(diagnostics); text != "" {
		t.Fatal(text)
	}
	after, err := f.backend.Service(t.Context(), "dev", "db")
	if err != nil || after.ID != before.ID {
		t.Errorf("db must be the same container: %v, %v, %v", before, after, err)
	}
	if got := acctest.Text(t, acctest.At(t, continued.Value, "status")); got != "complete" {
		t.Errorf("status is %s", got)
	}

	// A complete run that is replaced on purpose really is deleted, and so is a partial one by a destroy.
	if text := acctest.Errors(f.Destroy(t, runType, continued, replanned.Private)); text != "" {
		t.Fatal(text)
	}
	if snapshot, err := f.backend.Observe(t.Context(), "dev"); err != nil || len(snapshot.Services) != 0 {
		t.Errorf("services left: %v, %v", snapshot, err)
	}
	f.exits["api"] = 3
	state, _ = f.Apply(t, runType, config, nil, f.Plan(t, runType, config, nil))
	if text := acctest.Errors(f.Destroy(t, runType, state, nil)); text != "" {
		t.Fatal(text)
	}
	if snapshot, err := f.backend.Observe(t.Context(), "dev"); err != nil || len(snapshot.Services) != 0 {
		t.Errorf("services left: %v, %v", snapshot, err)
	}
}

func TestFailedUpdateKeepsTheDifference(t *testing.T) {
	f := newRunFixture(t, shop(nil))
	state := f.apply(t, runConfig(acctest.Values{}), nil)
	broken := runConfig(acctest.Values{"image": acctest.String("nope:1")})
	planned := f.Plan(t, runType, broken, state)
	after, diagnostics := f.Apply(t, runType, broken, state, planned)
	if text := acctest.Errors(diagnostics); !strings.Contains(text, "nope:1") || !strings.Contains(text, "docker pull") {
		t.Errorf("the error must name the image and the way out: %q", text)
	}
	if !after.Value.IsFullyKnown() {
		t.Fatal("nothing may be unknown")
	}
	if again := f.Plan(t, runType, broken, after); again.Value.Equal(after.Value) {
		t.Error("the difference must show until it is carried out")
	}
	f.apply(t, runConfig(acctest.Values{}), after)
}

func TestInterpretationErrorsStandAtTheirAttribute(t *testing.T) {
	f := newRunFixture(t, shop(nil))
	planned := f.Plan(t, runType, runConfig(acctest.Values{"fail": acctest.String("no such thing")}), nil)
	if text := acctest.Errors(planned.Diagnostics); !strings.Contains(text, `AttributeName("package")`) || !strings.Contains(text, "main.star:3:5: no such thing") {
		t.Error(text)
	}
	wrong := acctest.Values{"enclave": acctest.String("docker/dev"), "package": acctest.String("./shop"), "args": acctest.String("x")}
	if text := acctest.Errors(f.Validate(t, runType, wrong)); !strings.Contains(text, `AttributeName("args")`) || !strings.Contains(text, "replicas = 2") {
		t.Error(text)
	}
}

func TestChangedFilesAreRefused(t *testing.T) {
	files := map[string]string{"main.star": "abc", "lib.star": "def"}
	f := newRunFixture(t, shop(files))
	config := runConfig(acctest.Values{})
	planned := f.Plan(t, runType, config, nil)
	files["lib.star"] = "changed"
	state, diagnostics := f.Apply(t, runType, config, nil, planned)
	if text := acctest.Errors(diagnostics); !strings.Contains(text, "lib.star") || strings.Contains(text, "main.star") || !strings.Contains(text, "Plan again") {
		t.Error(text)
	}
	if state != nil || len(f.backend.Changes()) != 0 {
		t.Error("nothing may have been done")
	}
}

func TestSecretsStayOut(t *testing.T) {
	f := newRunFixture(t, shop(nil))
	config := runConfig(acctest.Values{})
	config["sensitive_args_wo"] = acctest.Object(acctest.Values{"token": acctest.String("wo-secret-1")})
	config["sensitive_args_wo_version"] = acctest.Number(1)
	planned := f.Plan(t, runType, config, nil)
	state := f.apply(t, config, nil)
	for what, text := range map[string]string{"plan": planned.Value.String(), "state": state.Value.String(), "private": string(state.Private)} {
		if strings.Contains(text, "wo-secret-1") {
			t.Errorf("the %s holds the write-only secret", what)
		}
	}
	if got := acctest.Text(t, acctest.At(t, acctest.At(t, state.Value, "sensitive_output"), "token")); got != "(sensitive)" {
		t.Errorf("sensitive_output.token is %s", got)
	}
	if got := acctest.Text(t, acctest.At(t, state.Value, "sensitive_output", "plain")); got != "shown only here" {
		t.Errorf("sensitive_output.plain is %s", got)
	}
	// Another value of the same version is no change; another version is one, of api alone.
	config["sensitive_args_wo"] = acctest.Object(acctest.Values{"token": acctest.String("wo-secret-2")})
	if again := f.Plan(t, runType, config, state); !again.Value.Equal(state.Value) {
		t.Error("without a new version nothing changes")
	}
	config["sensitive_args_wo_version"] = acctest.Number(2)
	planned = f.Plan(t, runType, config, state)
	if acctest.At(t, planned.Value, "services", "api", "digest").Equal(acctest.At(t, state.Value, "services", "api", "digest")) {
		t.Error("a new version must show at api")
	}
	if !acctest.At(t, planned.Value, "services", "db").Equal(acctest.At(t, state.Value, "services", "db")) {
		t.Error("a new version must not show at db")
	}

	// sensitive_args are masked in output, and in errors.
	config = runConfig(acctest.Values{})
	config["sensitive_args"] = acctest.Object(acctest.Values{"token": acctest.String("hidden-secret")})
	planned = f.Plan(t, runType, config, nil)
	if text := acctest.At(t, planned.Value, "sensitive_output").String(); !strings.Contains(text, "hidden-secret") {
		t.Errorf("sensitive_output is for sensitive arguments: %s", text)
	}
	config["sensitive_args"] = acctest.Object(acctest.Values{"fail": acctest.String("hidden-secret")})
	if text := acctest.Errors(f.Plan(t, runType, config, nil).Diagnostics); strings.Contains(text, "hidden-secret") || !strings.Contains(text, "(sensitive)") {
		t.Error(text)
	}
}

func TestRunPlanIsDeterministic(t *testing.T) {
	f := newRunFixture(t, shop(map[string]string{"a": "1", "b": "2", "c": "3"}))
	config := runConfig(acctest.Values{"x": acctest.Number(1), "y": acctest.String("z")})
	state := f.apply(t, config, nil)
	changed := runConfig(acctest.Values{"x": acctest.Number(2), "y": acctest.String("z")})
	first := f.Plan(t, runType, changed, state)
	for range 20 {
		if again := f.Plan(t, runType, changed, state); !again.Value.Equal(first.Value) || string(again.Private) != string(first.Private) {
			t.Fatal("two plans of the same thing differ")
		}
	}
}
