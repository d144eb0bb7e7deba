package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

const (
	testImage = "test/service:1"
	testOwner = "me.here"
)

// world is the command on a backend in memory.
type world struct {
	*testing.T
	backend *memory.Backend
	tools   *tools
	clock   time.Time
}

func newWorld(t *testing.T, hooks memory.Hooks) *world {
	t.Helper()
	t.Setenv("SUNDOG_OWNER", testOwner)
	t.Setenv("SUNDOG_BACKEND", "memory")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	w := &world{T: t, backend: memory.New(hooks), clock: time.Now()}
	w.backend.AddImage(testImage)
	w.tools = &tools{
		backend: func(f backendFlag) (enclave.Backend, error) {
			if f.kind != "memory" {
				return realBackend(f)
			}
			return w.backend, nil
		},
		now: func() time.Time { return w.clock },
	}
	return w
}

// outcome is what one command left.
type outcome struct {
	code                    int
	output, notice, message string
}

// start runs the command in a context, with an input.
func (w *world) start(ctx context.Context, input string, args ...string) outcome {
	w.Helper()
	root := newRoot("1.2.3", w.tools)
	var out, problems notebook
	root.SetOut(&out)
	root.SetErr(&problems)
	root.SetIn(strings.NewReader(input))
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	result := outcome{code: ExitCode(err), output: out.String(), notice: problems.String()}
	if err != nil {
		result.message = Message(err)
	}
	return result
}

func (w *world) run(args ...string) outcome {
	w.Helper()
	return w.start(w.Context(), "", args...)
}

// ok is run for what must succeed; it gives the output.
func (w *world) ok(args ...string) string {
	w.Helper()
	result := w.run(args...)
	if result.code != 0 {
		w.Fatalf("sundog %s: exit status %d: %s\n%s", strings.Join(args, " "), result.code, result.message, result.notice)
	}
	return result.output
}

// fails is run for what must fail with an exit status and a message that mentions all texts.
func (w *world) fails(code int, args []string, mentions ...string) outcome {
	w.Helper()
	result := w.run(args...)
	if result.code != code {
		w.Errorf("sundog %s: exit status %d, want %d: %s", strings.Join(args, " "), result.code, code, result.message)
	}
	contains(w, result.message, mentions...)
	return result
}

func contains(t testing.TB, text string, mentions ...string) {
	t.Helper()
	for _, mention := range mentions {
		if !strings.Contains(text, mention) {
			t.Errorf("%q is missing in:\n%s", mention, text)
		}
	}
}

func decodeInto[V any](t testing.TB, text string) V {
	t.Helper()
	var decoded V
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return decoded
}

// provide makes an enclave and a run in it as the provider of somebody else would.
func (w *world) provide(name, owner, folder string) {
	w.Helper()
	if _, err := w.backend.CreateEnclave(w.Context(), enclave.Spec{Name: name, Owner: owner, Labels: map[string]string{"team": "blue"}}); err != nil {
		w.Fatal(err)
	}
	opened, err := locator.New(locator.Options{}).Open(w.Context(), folder, "")
	if err != nil {
		w.Fatal(err)
	}
	made, err := language.Interpret(w.Context(), opened, language.Request{})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := engine.New(w.backend, engine.Options{}).Apply(w.Context(), engine.Request{Enclave: name, Run: "shop", Owner: owner, Plan: made}); err != nil {
		w.Fatal(err)
	}
}

// webshop is a package with two services, a files artifact and a command.
func webshop(t testing.TB) string {
	t.Helper()
	return writeFiles(t, map[string]string{
		"kurtosis.yml": "name: github.com/acme/shop\n",
		"main.star": `def run(plan, tag="one", fail=False):
    config = plan.render_templates(name="config", config={"app.conf": struct(template="tag={{.tag}}\n", data={"tag": tag})})
    db = plan.add_service("db", ServiceConfig(image="test/service:1", ports={"sql": PortSpec(number=5432, transport_protocol="TCP", wait=None)}))
    plan.add_service("web", ServiceConfig(
        image="test/service:1",
        files={"/etc/app": config},
        env_vars={"DB": db.ip_address},
        ports={"http": PortSpec(number=8080, transport_protocol="TCP", application_protocol="http", wait=None)},
    ))
    result = plan.exec("web", ExecRecipe(command=["migrate", tag]))
    plan.print("migrated " + tag)
    return {"code": result["code"], "sensitive": {"password": "hunter22"}}
`,
	})
}

func TestEnclaveList(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	if output := w.ok("enclave", "ls", "--format", "json"); strings.TrimSpace(output) != "[]" {
		t.Errorf("without enclaves: %s", output)
	}
	w.provide("dev", "somebody", webshop(t))
	if _, err := w.backend.CreateEnclave(t.Context(), enclave.Spec{Name: "ci", Owner: testOwner, ExpiresAt: w.clock.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	w.backend.Kill("dev", "db", 1)
	w.clock = w.clock.Add(90*time.Minute - time.Second)
	listed := decodeInto[[]listedEnclave](t, w.ok("enclave", "ls", "--format", "json"))
	if len(listed) != 2 || listed[0].Name != "ci" || !listed[0].Expired || listed[1].ID != "memory/dev" || listed[1].Expired || listed[1].ExpiresAt != nil {
		t.Fatalf("%+v", listed)
	}
	if listed[1].Services != 2 || listed[1].Running != 1 || listed[1].Labels["team"] != "blue" {
		t.Errorf("%+v", listed[1])
	}
	contains(t, w.ok("enclave", "ls"), "ci", "expired 29m ago", "dev", "1/2", "89m", "never", "somebody")
}

func TestEnclaveInspect(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.provide("dev", "somebody", webshop(t))
	w.backend.Vanish("dev", "db")
	found := decodeInto[inspection](t, w.ok("enclave", "inspect", "memory/dev", "--format", "json"))
	if len(found.Runs) != 1 || found.Runs[0].Name != "shop" || found.Runs[0].Owner != "somebody" || !found.Runs[0].Complete {
		t.Errorf("runs %+v", found.Runs)
	}
	if len(found.Services) != 2 || found.Services[0].Status != "missing" || found.Services[0].Holds || found.Services[1].Status != "running" || !found.Services[1].Holds {
		t.Fatalf("services %+v", found.Services)
	}
	if web := found.Services[1]; web.Image != testImage || len(web.Ports) != 1 || web.Ports[0].HostPort == 0 || web.Ports[0].Application != "http" {
		t.Errorf("service %+v", found.Services[1])
	}
	if len(found.Artifacts) != 1 || found.Artifacts[0].Name != "config" || found.Artifacts[0].Digest == "" {
		t.Errorf("artifacts %+v", found.Artifacts)
	}
	contains(t, w.ok("enclave", "inspect", "dev"), "memory/dev", "somebody", "team=blue", "shop", "complete", "db", "missing", "http 8080/tcp at http://127.0.0.1:", "config")
}

func TestEnclaveThatIsNotThere(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.fails(ExitFailure, []string{"enclave", "inspect", "dev"}, `"dev"`, "not found", "sundog enclave ls")
	w.fails(ExitUsage, []string{"enclave", "inspect", "Dev"}, `"Dev"`, "lower-case")
	w.fails(ExitUsage, []string{"enclave", "inspect", "docker/dev"}, "--backend docker")
	w.fails(ExitUsage, []string{"enclave", "ls", "--backend", "podman"}, `"podman"`)
	w.fails(ExitUsage, []string{"enclave", "ls", "--format", "xml"}, `"xml"`)
}

func TestEngineThatIsAway(t *testing.T) {
	w := newWorld(t, memory.Hooks{Before: func(context.Context, memory.Call) error {
		return &enclave.UnreachableError{Endpoint: "unix:///nowhere", Chosen: "DOCKER_HOST", Err: context.DeadlineExceeded}
	}})
	w.fails(ExitFailure, []string{"enclave", "ls"}, "unix:///nowhere", "DOCKER_HOST", "Start the engine")
}

func TestCompletionOfNames(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	w.provide("dev", "somebody", webshop(t))
	contains(t, w.ok("__complete", "enclave", "inspect", ""), "dev\n")
	contains(t, w.ok("completion", "bash"), "sundog")
}

func TestPersonalOwner(t *testing.T) {
	for _, test := range []struct{ name, host, want string }{
		{"ann", "laptop.local", "ann.laptop.local"},
		{`CORP\ann b`, "laptop", "CORP-ann-b.laptop"},
		{"", "laptop", "laptop"},
		{"ann", strings.Repeat("x", 80), "ann." + strings.Repeat("x", 59)},
	} {
		got := ownerOf(test.name, test.host)
		if got != test.want {
			t.Errorf("%q on %q: %q, want %q", test.name, test.host, got, test.want)
		}
		if err := enclave.CheckOwner(got); err != nil {
			t.Error(err)
		}
	}
	if first, again := personalOwner(), personalOwner(); first != again || enclave.CheckOwner(first) != nil {
		t.Errorf("%q, then %q", first, again)
	}
}
