package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const (
	owner   = "enginetest"
	run     = "shop"
	program = enclavetest.ServiceProgram
)

// world is an enclave on the Docker Engine of this machine, for one test.
type world struct {
	*testing.T
	ctx     context.Context
	backend *docker.Backend
	engine  *engine.Engine
	enclave string
	image   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv("SUNDOG_TEST_DOCKER") != "1" {
		t.Skip("SUNDOG_TEST_DOCKER=1 runs the tests that need a Docker Engine")
	}
	backend := docker.New(docker.Options{})
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	// What hangs says where it does, long before the test binary's own limit; twelve applies that are killed take minutes on a
	// machine that has much else to do.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, backend: backend, engine: engine.New(backend, engine.Options{})}
	w.image = enclavetest.BuildImages(t, backend).Service
	w.enclave = enclavetest.ReserveEnclave(t, backend)
	w.must(backend.CreateEnclave(ctx, enclave.Spec{Name: w.enclave, Owner: owner}))
	return w
}

func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) request(operations ...plan.Operation) engine.Request {
	p := &plan.Plan{PackageName: "test"}
	for i, operation := range operations {
		p.Instructions = append(p.Instructions, plan.Instruction{
			Name: "instruction", Description: fmt.Sprintf("instruction %d", i+1), Position: plan.Position{File: "main.star", Line: i + 1, Column: 5}, Operation: operation,
		})
	}
	return engine.Request{Enclave: w.enclave, Run: run, Owner: owner, Plan: p}
}

func (w *world) apply(operations ...plan.Operation) *engine.Result {
	w.Helper()
	result, err := w.engine.Apply(w.ctx, w.request(operations...))
	w.must(nil, err)
	return result
}

func (w *world) fails(operations []plan.Operation, mentions ...string) *engine.Result {
	w.Helper()
	result, err := w.engine.Apply(w.ctx, w.request(operations...))
	enclavetest.Mentions(w, err, mentions...)
	return result
}

// containers gives the containers' IDs by service.
func (w *world) containers() map[string]string {
	w.Helper()
	snapshot, err := w.backend.Observe(w.ctx, w.enclave)
	w.must(nil, err)
	ids := map[string]string{}
	for name, service := range snapshot.Services {
		ids[name] = service.ID
	}
	return ids
}

func (w *world) spec(name string, changes ...func(*plan.ServiceSpec)) plan.ServiceSpec {
	spec := plan.ServiceSpec{
		Name: name, Image: plan.Image{Name: w.image}, Cmd: []string{"serve", "-http", "8080", "-lines", "hello from " + name},
		Ports: map[string]plan.Port{"http": {Number: 8080, Transport: "TCP", Application: "http", Wait: time.Minute}},
		Env:   map[string]string{"NAME": name},
	}
	for _, change := range changes {
		change(&spec)
	}
	return spec
}

func (w *world) add(name string, changes ...func(*plan.ServiceSpec)) *plan.AddServices {
	return &plan.AddServices{Services: []plan.ServiceSpec{w.spec(name, changes...)}}
}

func set(key, value string) func(*plan.ServiceSpec) {
	return func(s *plan.ServiceSpec) { s.Env[key] = value }
}

func cmd(words ...string) func(*plan.ServiceSpec) {
	return func(s *plan.ServiceSpec) { s.Cmd = words }
}

func step(id, service string, words ...string) *plan.Exec {
	return &plan.Exec{ID: id, Service: service, Recipe: plan.ExecRecipe{Command: append([]string{program}, words...)}, Acceptance: plan.Acceptance{Codes: []int64{0}}}
}

func value(producer, field string) string {
	return plan.RuntimeValue{Producer: producer, Field: field}.String()
}

func TestDockerChangesExactlyOneService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := []string{"a", "b", "c", "d"}
	operations := func(changed string) []plan.Operation {
		var all []plan.Operation
		for _, name := range names {
			change := set("LEVEL", "1")
			if name == changed {
				change = set("LEVEL", "2")
			}
			all = append(all, w.add(name, change), step("count-"+name, name, "write", "/count-"+name, "done"), step("level-"+name, name, "env", "LEVEL"))
		}
		return all
	}
	output := map[string]any{}
	for _, name := range names {
		output[name] = value("level-"+name, "output")
	}
	request := w.request(operations("")...)
	request.Plan.Output = output
	first, err := w.engine.Apply(w.ctx, request)
	w.must(nil, err)
	before := w.containers()
	request = w.request(operations("c")...)
	request.Plan.Output = output
	second, err := w.engine.Apply(w.ctx, request)
	w.must(nil, err)
	after := w.containers()
	for _, name := range names {
		if changed := before[name] != after[name]; changed != (name == "c") {
			t.Errorf("%s: container %s became %s", name, before[name], after[name])
		}
	}
	var ran []string
	for _, decision := range second.Decisions {
		if decision.Action != engine.ActionKeep {
			ran = append(ran, fmt.Sprintf("%s %s: %s", decision.Action, decision.Object, decision.Reason))
		}
	}
	if want := []string{"replace c: environment variable LEVEL changed", `run count-c: service "c" was replaced`, `run level-c: service "c" was replaced`}; !slices.Equal(ran, want) {
		t.Errorf("decisions:\n got %q\nwant %q", ran, want)
	}
	if got := plan.FormatValue(second.Output); got != `{"a": "1", "b": "1", "c": "2", "d": "1"}` {
		t.Errorf("output is %s", got)
	}
	if a, b := first.Services["c"], second.Services["c"]; a.IPAddress != b.IPAddress || a.Ports["http"].HostPort != b.Ports["http"].HostPort || b.Ports["http"].HostPort == 0 {
		t.Errorf("address or host port changed: %+v, %+v", a, b)
	}
	w.must(nil, w.backend.RemoveService(w.ctx, w.enclave, "b"))
	observed, err := w.engine.Observe(w.ctx, w.enclave, run)
	w.must(nil, err)
	if observed.Services["b"].Status != "missing" || observed.Services["a"].Status != "running" {
		t.Errorf("observed %+v", observed.Services)
	}
	third := w.apply(operations("c")...)
	if third.Operations["create"] != 1 || third.Operations["keep"] != 3 {
		t.Errorf("operations are %v", third.Operations)
	}
}

func TestDockerFailuresExplainThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begin := time.Now()
	result := w.fails([]plan.Operation{w.add("db"), w.add("crash", cmd("serve", "-lines", "one;two", "-after", "1ms", "-exit", "3"))},
		"main.star:2:5", `service "crash" exited with code 3`, "| two", "| ending with code 3")
	if time.Since(begin) > 30*time.Second {
		t.Errorf("it took %s", time.Since(begin))
	}
	if result.Services["db"].Status != "running" || result.Services["crash"].Status != "exited (3)" {
		t.Errorf("services are %+v", result.Services)
	}
	crashed := w.containers()["crash"]
	w.fails([]plan.Operation{w.add("db"), w.add("closed", cmd("serve", "-lines", "not listening"), func(s *plan.ServiceSpec) {
		s.Ports = map[string]plan.Port{"http": {Number: 8080, Transport: "TCP", Wait: time.Second}}
	})}, "main.star:2:5", `port "http" (8080/tcp) of service "closed" was not open within 1s`, "refused", "| not listening")
	if _, found := w.containers()["closed"]; !found || crashed == "" {
		t.Error("a failed container must be kept until the next apply")
	}
	w.fails([]plan.Operation{w.add("db"), w.add("hog", cmd("hog"), func(s *plan.ServiceSpec) { s.MaxMemory = 16 })}, `service "hog" ran out of memory and was killed (exit code 137)`)
	var missing *enclave.ImageError
	_, err := w.engine.Apply(w.ctx, func() engine.Request {
		request := w.request(w.add("db"), w.add("x", func(s *plan.ServiceSpec) { s.Image.Name = "sundog-test/not-there:1" }))
		request.Images = enclave.ImageNever
		return request
	}())
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "main.star:2:5") {
		t.Errorf("got error %v", err)
	}
	mended := w.apply(w.add("db"), w.add("crash"))
	if got := mended.Services["crash"]; got.Status != "running" || got.ID == crashed || mended.Services["db"].ID != result.Services["db"].ID || len(mended.Services) != 2 {
		t.Errorf("services are %+v", mended.Services)
	}
	foreign := w.request(w.add("db"))
	foreign.Run = "fork/staging"
	var owned *enclave.OwnedError
	if _, err := w.engine.Apply(w.ctx, foreign); !errors.As(err, &owned) || owned.Run != run {
		t.Errorf("got error %v", err)
	}
}

func TestDockerFilesRequestsAndStoredFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tree, err := plan.NewFileTree([]plan.File{plan.TextFile("a.txt", 0o644, "alpha")})
	w.must(nil, err)
	operations := func(greeting string) []plan.Operation {
		return []plan.Operation{
			&plan.UploadFiles{Artifact: "static", Tree: tree},
			w.add("db", cmd("serve", "-http", "8080", "-write", "/data/b.txt=beta;/data/sub/c.txt=gamma")),
			&plan.RenderTemplates{Artifact: "conf", Templates: []plan.Template{{
				Path: "app/conf.json", Text: `{"db": "{{.db}}", "n": {{.n}}, "one": {{if eq .n 1}}true{{else}}false{{end}}, "f": {{.f}}, "greeting": "{{.greeting}}"}`,
				Data: map[string]any{"db": value("db", "ip_address"), "n": int64(1), "f": 1.0, "greeting": greeting},
			}}},
			&plan.StoreServiceFiles{ID: "dump", Artifact: "dump", Service: "db", Source: "/data/*"},
			w.add("api", set("DB", value("db", "hostname")), func(s *plan.ServiceSpec) {
				s.Files = map[string]plan.Mount{"/files": {Artifacts: []string{"static", "dump"}}, "/conf": {Artifacts: []string{"conf"}}}
			}),
			&plan.Request{
				ID: "conf", Service: "api", Acceptance: plan.Acceptance{Codes: []int64{200}},
				Recipe: plan.HTTPRecipe{Method: "GET", PortID: "http", Endpoint: "/file/conf/app/conf.json", Extract: map[string]string{"db": ".db", "f": ".f", "one": ".one"}},
			},
			step("c", "api", "cat", "/files/sub/c.txt"),
			&plan.Wait{
				ID: "a", Service: "api", Recipe: &plan.HTTPRecipe{Method: "GET", PortID: "http", Endpoint: "/file/files/a.txt"},
				Condition: plan.Condition{Field: "body", Assertion: "==", Target: "alpha", Interval: 50 * time.Millisecond, Timeout: 10 * time.Second},
			},
			&plan.Verify{Value: value("conf", "extract.one"), Assertion: "==", Target: true},
			&plan.Verify{Value: value("conf", "extract.db"), Assertion: "==", Target: value("db", "ip_address")},
			&plan.Verify{Value: value("c", "output"), Assertion: "==", Target: "gamma"},
			&plan.Print{Message: "f=" + value("conf", "extract.f")},
		}
	}
	first := w.apply(operations(`say "hi"`[:3])...)
	if !slices.Equal(first.Messages, []string{"f=1"}) {
		t.Errorf("messages are %q", first.Messages)
	}
	same := w.apply(operations("say")...)
	if same.Operations["keep"] != 2 || !slices.Equal(same.Messages, first.Messages) {
		t.Errorf("operations are %v, messages %q", same.Operations, same.Messages)
	}
	for _, decision := range same.Decisions {
		if decision.Action != engine.ActionKeep {
			t.Errorf("%s %s: %s", decision.Action, decision.Object, decision.Reason)
		}
	}
	changed := w.apply(operations("bye")...)
	if changed.Operations["keep"] != 1 || changed.Operations["replace"] != 1 || changed.Artifacts["dump"] != first.Artifacts["dump"] || changed.Artifacts["conf"] == first.Artifacts["conf"] {
		t.Errorf("operations are %v, artifacts %v, before %v", changed.Operations, changed.Artifacts, first.Artifacts)
	}
	stored, err := w.backend.ListArtifacts(w.ctx, w.enclave)
	w.must(nil, err)
	if len(stored) != 3 {
		t.Errorf("stored are %q, want those of the plan only", stored)
	}
}

// TestDockerSeedsOnce fills a persistent directory. The files are there when the service is replaced, when it was away,
// and when its run was destroyed; and nobody fills it again.
func TestDockerSeedsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	operations := func(level string) []plan.Operation {
		seed := step("db#1", "db", "write", "/data/seeded", "seeded")
		seed.Rerun = plan.RerunOnce
		return []plan.Operation{
			w.add("db", set("LEVEL", level), func(s *plan.ServiceSpec) { s.Files = map[string]plan.Mount{"/data": {PersistentKey: "data"}} }),
			seed, step("db#2", "db", "cat", "/data/seeded"),
		}
	}
	decided := func(level string) string {
		t.Helper()
		result := w.apply(operations(level)...)
		for _, decision := range result.Decisions {
			if decision.Object == "db#1" {
				return string(decision.Action) + ": " + decision.Reason
			}
		}
		return "nothing"
	}
	if got := decided("1"); got != "run: it has not run yet" {
		t.Errorf("at first: %s", got)
	}
	// Somebody works with what was seeded.
	_, err := w.backend.Exec(w.ctx, w.enclave, "db", enclave.ExecRequest{Command: []string{program, "write", "/data/work", "done"}})
	w.must(nil, err)
	const kept = "keep: it ran before, and runs only once"
	before := w.containers()["db"]
	if got := decided("2"); got != kept || w.containers()["db"] == before {
		t.Errorf("replaced: %s", got)
	}
	w.apply(w.add("other"))
	if got := decided("2"); got != kept {
		t.Errorf("away and back: %s", got)
	}
	w.must(nil, w.engine.Remove(w.ctx, w.enclave, run))
	if _, err := w.engine.Observe(w.ctx, w.enclave, run); !errors.Is(err, engine.ErrNoRun) {
		t.Errorf("got error %v, want that there is no run", err)
	}
	if got := decided("2"); got != kept {
		t.Errorf("destroyed and made again: %s", got)
	}
	result, err := w.backend.Exec(w.ctx, w.enclave, "db", enclave.ExecRequest{Command: []string{program, "cat", "/data/work"}})
	if err != nil || result.Output != "done" {
		t.Errorf("what was in the directory is %+v, %v", result, err)
	}
}
