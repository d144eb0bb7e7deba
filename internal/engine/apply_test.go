package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// shop is a plan of several services, an artifact, and imperative instructions whose results others use.
func shop(t *testing.T) []plan.Operation {
	t.Helper()
	return []plan.Operation{
		upload(t, "conf", "level: 1\n"),
		add("db"),
		exec("migrate", "db", "migrate", "up"),
		exec("seed", "db", "seed", value("migrate", "output")),
		add("api", mount("/conf", "conf"), env("DB", value("db", "hostname")+":"+value("db", "ip_address"))),
		exec("warm", "api", "warm"),
		add("web", env("SEED", value("seed", "code"))),
		&plan.Verify{Value: value("seed", "code"), Assertion: "==", Target: int64(0)},
	}
}

func TestApplyMakesEverythingInOrderAndThenNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	p := planOf(shop(t)...)
	p.Output = map[string]any{"code": value("seed", "code"), "text": "db=" + value("db", "hostname")}
	result, _, execs := h.apply(p)
	same(t, "commands", execs, []string{"db migrate up", "db seed migrate up\n", "api warm"})
	if got := plan.FormatValue(result.Output); got != `{"code": 0, "text": "db=db"}` {
		t.Errorf("output is %v", got)
	}
	if result.Operations["create"] != 3 || len(result.Services) != 3 || result.Services["api"].Status != "running" || !result.Services["api"].Holds {
		t.Errorf("result is %+v", result)
	}
	var started []string
	for _, change := range h.backend.Changes() {
		if len(change) > 12 && change[:12] == "StartService" {
			started = append(started, change)
		}
	}
	same(t, "starts", started, []string{"StartService dev/db", "StartService dev/api", "StartService dev/web"})

	before := len(h.backend.Calls())
	result, changes, execs := h.apply(p)
	same(t, "changes of a second apply", changes, nil)
	same(t, "commands of a second apply", execs, nil)
	if result.Operations["keep"] != 3 || plan.FormatValue(result.Output) != `{"code": 0, "text": "db=db"}` {
		t.Errorf("result is %+v", result)
	}
	var calls []string
	for _, call := range h.backend.Calls()[before:] {
		calls = append(calls, call.Method)
	}
	slices.Sort(calls)
	// One image, one look, no lock: the number of services does not show.
	same(t, "calls of a second apply", calls, []string{"ListArtifacts", "Observe", "Record", "ResolvedImage"})
}

func TestApplyTouchesExactlyWhatDepends(t *testing.T) {
	t.Parallel()
	replace := func(names ...string) (changes []string) {
		for _, name := range names {
			changes = append(changes, "CreateService dev/"+name, "StartService dev/"+name)
		}
		return changes
	}
	for name, c := range map[string]struct {
		change  func(t *testing.T, operations []plan.Operation) []plan.Operation
		outside func(h *harness)
		changes []string
		execs   []string
		always  bool // a second apply does it again
	}{
		"environment of one service": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation {
				return slices.Replace(o, 4, 5, plan.Operation(add("api", mount("/conf", "conf"), env("DB", value("db", "hostname")+":"+value("db", "ip_address")), env("LEVEL", "2"))))
			},
			changes: replace("api"), execs: []string{"api warm"},
		},
		"a producer that is replaced and yields the same": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation {
				return slices.Replace(o, 1, 2, plan.Operation(add("db", env("TUNE", "1"))))
			},
			changes: replace("db"), execs: []string{"db migrate up", "db seed migrate up\n"},
		},
		"an artifact's content": {
			change: func(t *testing.T, o []plan.Operation) []plan.Operation {
				t.Helper()
				return slices.Replace(o, 0, 1, plan.Operation(upload(t, "conf", "level: 2\n")))
			},
			changes: replace("api"), execs: []string{"api warm"},
		},
		"an inserted service": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation {
				return slices.Insert(o, 4, plan.Operation(add("cache")))
			},
			changes: replace("cache"),
		},
		"an inserted instruction on another service": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation {
				return slices.Insert(o, 5, plan.Operation(exec("check", "api", "check")))
			},
			execs: []string{"api check", "api warm"},
		},
		"a removed instruction": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation { return slices.Delete(o, 5, 6) },
		},
		"an instruction's arguments": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation {
				return slices.Replace(o, 2, 3, plan.Operation(exec("migrate", "db", "migrate", "up", "2")))
			},
			execs: []string{"db migrate up 2", "db seed migrate up 2\n"},
		},
		"a removed service": {
			change:  func(_ *testing.T, o []plan.Operation) []plan.Operation { return slices.Delete(o, 6, 7) },
			changes: []string{"RemoveService dev/web"},
		},
		"a moved, unrelated instruction": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation {
				return append(slices.Delete(slices.Clone(o), 5, 6), o[5])
			},
		},
		"a service that something else removed": {
			outside: func(h *harness) { h.backend.Vanish(testEnclave, "api") },
			changes: replace("api"), execs: []string{"api warm"},
		},
		"a service that crashed": {
			outside: func(h *harness) { h.backend.Kill(testEnclave, "db", 137) },
			changes: []string{"StartService dev/db"},
		},
		"a service that was forced": {
			change: func(_ *testing.T, o []plan.Operation) []plan.Operation {
				forced := add("web", env("SEED", value("seed", "code")))
				forced.ForceUpdate = true
				return slices.Replace(o, 6, 7, plan.Operation(forced))
			},
			changes: replace("web"), always: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			h.apply(planOf(shop(t)...))
			operations := shop(t)
			if c.change != nil {
				operations = c.change(t, operations)
			}
			if c.outside != nil {
				c.outside(h)
			}
			_, changes, execs := h.apply(planOf(operations...))
			same(t, "changes", changes, c.changes)
			same(t, "commands", execs, c.execs)
			if c.always {
				return
			}
			_, changes, execs = h.apply(planOf(operations...))
			same(t, "changes afterwards", changes, nil)
			same(t, "commands afterwards", execs, nil)
		})
	}
}

func TestReasonsAreWords(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(shop(t)...))
	operations := shop(t)
	operations[4] = add("api", mount("/conf", "conf"), env("DB", "elsewhere"))
	result, _, _ := h.apply(planOf(operations[:6]...))
	got := map[string]string{}
	for _, decision := range result.Decisions {
		if decision.Action != ActionKeep {
			got[decision.Object] = fmt.Sprintf("%s at %s: %s", decision.Action, decision.Position, decision.Reason)
		}
	}
	want := map[string]string{
		"api":  "replace at main.star:5:5: environment variable DB changed",
		"warm": `run at main.star:6:5: service "api" was replaced`,
		"web":  "remove at : the plan does not have it any more",
	}
	for object, text := range want {
		if got[object] != text {
			t.Errorf("%s: got %q, want %q", object, got[object], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
}

func TestStopStartAndRemoveConverge(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	operations := func(extra ...plan.Operation) *plan.Plan {
		all := []plan.Operation{add("db"), add("job"), exec("work", "job", "work")}
		all = append(all, extra...)
		return planOf(append(all, &plan.RemoveService{Service: "job"}, &plan.StopService{Service: "db"})...)
	}
	result, _, _ := h.apply(operations())
	if result.Services["db"].Status != "stopped" || !result.Services["db"].Holds {
		t.Errorf("db is %+v", result.Services["db"])
	}
	if _, found := result.Services["job"]; found {
		t.Error("a removed service must not be among the services")
	}
	_, changes, execs := h.apply(operations())
	same(t, "changes of a second apply", changes, nil)
	same(t, "commands of a second apply", execs, nil)

	// A new instruction needs both: one is started and stopped again, the other one made again with all its steps.
	_, changes, execs = h.apply(operations(exec("check", "db", "check"), exec("more", "job", "more")))
	same(t, "commands", execs, []string{"db check", "job work", "job more"})
	same(t, "changes", changes, []string{"StartService dev/db", "CreateService dev/job", "StartService dev/job", "RemoveService dev/job", "StopService dev/db"})
	_, changes, execs = h.apply(operations(exec("check", "db", "check"), exec("more", "job", "more")))
	same(t, "changes afterwards", changes, nil)
	same(t, "commands afterwards", execs, nil)

	// Somebody started it from outside.
	if _, err := h.backend.StartService(t.Context(), testEnclave, "db"); err != nil {
		t.Fatal(err)
	}
	_, changes, _ = h.apply(operations(exec("check", "db", "check"), exec("more", "job", "more")))
	same(t, "changes after it was started", changes, []string{"StopService dev/db"})
}

func TestTwiceStartedOrStoppedIsAnError(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.fails(planOf(add("db"), &plan.StartService{Service: "db"}), "main.star:2:5", `service "db" is started already`)
	h.fails(planOf(add("db"), &plan.StopService{Service: "db"}, &plan.StopService{Service: "db"}), "main.star:3:5", `service "db" is stopped already`)
	same(t, "changes", h.backend.Changes(), nil)
}

func TestServiceOfAnotherRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("db")))
	other := h.request(planOf(add("web"), add("db")))
	other.Run = "fork/staging"
	_, err := h.engine.Apply(t.Context(), other)
	var owned *enclave.OwnedError
	if !errors.As(err, &owned) || owned.Run != testRun || owned.Name != "db" {
		t.Errorf("got error %v", err)
	}
	mention(t, err, "main.star:2:5", `"db"`, `"shop"`)
	if _, err := h.backend.Service(t.Context(), testEnclave, "web"); !errors.Is(err, enclave.ErrNotFound) {
		t.Error("nothing must be made when a name is taken")
	}
	// Using it is allowed, stopping it is not.
	other.Plan = planOf(add("web", env("DB", value("db", "ip_address"))), exec("ask", "db", "ask"))
	if _, err := h.engine.Apply(t.Context(), other); err != nil {
		t.Error(err)
	}
	other.Plan = planOf(&plan.StopService{Service: "db"})
	_, err = h.engine.Apply(t.Context(), other)
	mention(t, err, `service "db" belongs to the run "shop"`)
}

func TestRunOfAnotherOwner(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("db")))
	request := h.request(planOf())
	request.Owner = "somebody else"
	_, err := h.engine.Apply(t.Context(), request)
	var owned *enclave.OwnedError
	if !errors.As(err, &owned) || owned.Kind != "run" || owned.Owner != testOwner || owned.CreatedAt.IsZero() {
		t.Errorf("got error %v", err)
	}
	if err := h.backend.RemoveRecord(t.Context(), testEnclave, recordName(testRun)); err != nil {
		t.Fatal(err)
	}
	_, err = h.engine.Apply(t.Context(), request)
	if !errors.As(err, &owned) {
		t.Errorf("the containers alone must tell the owner; got error %v", err)
	}
}

func TestRemoveTakesExactlyTheRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(shop(t)...))
	other := h.request(planOf(upload(t, "conf", "level: 1\n"), add("cache", mount("/conf", "conf"))))
	other.Run = "fork/staging"
	if _, err := h.engine.Apply(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := h.engine.Remove(t.Context(), testEnclave, testRun); err != nil {
		t.Fatal(err)
	}
	snapshot, err := h.backend.Observe(t.Context(), testEnclave)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "services", sortedKeys(snapshot.Services), []string{"cache"})
	records, err := h.backend.ListRecords(t.Context(), testEnclave, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "records", records, []string{"runs/fork/staging"})
	if stored, _ := h.backend.ListArtifacts(t.Context(), testEnclave); len(stored) != 1 {
		t.Errorf("the content that the other run needs must stay: %v", stored)
	}
	if _, err := h.engine.Observe(t.Context(), testEnclave, testRun); !errors.Is(err, ErrNoRun) {
		t.Errorf("got error %v, want that there is no such run", err)
	}
	if err := h.engine.Remove(t.Context(), testEnclave, "fork/staging"); err != nil {
		t.Fatal(err)
	}
	if stored, _ := h.backend.ListArtifacts(t.Context(), testEnclave); len(stored) != 0 {
		t.Errorf("contents are left: %v", stored)
	}
	for _, again := range []string{testEnclave, "gone"} {
		if err := h.engine.Remove(t.Context(), again, testRun); err != nil {
			t.Errorf("removing what is not there must succeed: %v", err)
		}
	}
	if _, err := h.engine.Observe(t.Context(), "gone", testRun); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got error %v, want that the enclave is not found", err)
	}
}

func TestObserveTellsDrift(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("db"), add("api"), add("web"), add("cache")))
	h.backend.Kill(testEnclave, "api", 1)
	h.backend.Vanish(testEnclave, "web")
	// Something else makes a container of the same name and configuration.
	asked, _ := h.backend.Request(testEnclave, "cache")
	h.backend.Vanish(testEnclave, "cache")
	if _, err := h.backend.CreateService(t.Context(), testEnclave, asked); err != nil {
		t.Fatal(err)
	}
	if _, err := h.backend.StartService(t.Context(), testEnclave, "cache"); err != nil {
		t.Fatal(err)
	}
	result, err := h.engine.Observe(t.Context(), testEnclave, testRun)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"db": "running", "api": "exited (1)", "web": "missing", "cache": "replaced"} {
		if got := result.Services[name]; got.Status != want || got.Holds != (want == "running") || got.Hostname != name {
			t.Errorf("%s: got %+v, want %s", name, got, want)
		}
	}
	same(t, "diff", h.preview(planOf(add("db"), add("api"), add("web"), add("cache"))), []string{
		"start api: it is exited (1)", "create web: it is missing: something else removed it", "update cache: something else has replaced its container",
	})
}

// TestDefaultsAreNoDrift changes everything about containers that an engine adds, decides or reports in its own way.
// What a service is compared by is the digest that was put on it when it was made.
func TestDefaultsAreNoDrift(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	p := planOf(add("db"), exec("db#1", "db", "tune"), add("api", env("DB", "x"), mount("/conf", "conf")))
	p.Instructions = append(planOf(upload(t, "conf", "x")).Instructions, p.Instructions...)
	h.apply(p)
	view, err := h.engine.View(t.Context(), testEnclave, testRun)
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range view.seen.snapshot.Services {
		service.Aliases = append(service.Aliases, "added-by-the-engine")
		service.CreatedAt, service.StartedAt = service.CreatedAt.Add(time.Hour), service.StartedAt.Add(time.Hour)
		service.Ports = map[string]enclave.PublishedPort{}
		view.seen.snapshot.Services[name] = service
	}
	decisions, err := view.Diff(h.request(p))
	if err != nil || len(decisions) != 4 {
		t.Fatal(decisions, err)
	}
	for _, decision := range decisions {
		if decision.Action != ActionKeep {
			t.Errorf("%s %s: %s", decision.Action, decision.Object, decision.Reason)
		}
	}
}
