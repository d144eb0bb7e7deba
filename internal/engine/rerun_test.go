package engine

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// seeding is a database that is seeded once and tuned at every change.
func seeding(changes ...func(*plan.ServiceSpec)) []plan.Operation {
	seed := exec("db#1", "db", "seed")
	seed.Rerun = plan.RerunOnce
	return []plan.Operation{add("db", changes...), seed, exec("db#2", "db", "tune", value("db#1", "output"))}
}

func TestOnceIsOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	_, _, execs := h.apply(planOf(seeding()...))
	same(t, "at first", execs, []string{"db seed", "db tune seed\n"})
	for name, operations := range map[string][]plan.Operation{
		"nothing changed": seeding(),
		"replaced":        seeding(env("X", "1")),
		"replaced back":   seeding(),
	} {
		_, _, execs := h.apply(planOf(operations...))
		if slices.Contains(execs, "db seed") {
			t.Errorf("%s: it ran again: %q", name, execs)
		}
	}

	// Another instruction before it moves it, and it is still itself; so it is when the value that it uses moves.
	moved := seeding()
	moved = slices.Insert(moved, 1, plan.Operation(exec("db#1", "db", "prepare")))
	moved[2].(*plan.Exec).ID, moved[3].(*plan.Exec).ID = "db#2", "db#3" //nolint:forcetypeassert // They were made above.
	moved[3].(*plan.Exec).Recipe.Command[1] = value("db#2", "output")   //nolint:forcetypeassert // As above.
	_, _, execs = h.apply(planOf(moved...))
	same(t, "moved", execs, []string{"db prepare", "db tune seed\n"})

	// It stays known while it is not in the plan, and after its run was removed.
	h.apply(planOf(add("db")))
	_, _, execs = h.apply(planOf(seeding()...))
	same(t, "taken out and in again", execs, []string{"db tune seed\n"})
	if err := h.engine.Remove(t.Context(), testEnclave, testRun); err != nil {
		t.Fatal(err)
	}
	if _, err := h.engine.Observe(t.Context(), testEnclave, testRun); err == nil {
		t.Error("a run that was removed is not there any more")
	}
	if inspection, err := h.engine.Inspect(t.Context(), testEnclave); err != nil || len(inspection.Runs) != 0 {
		t.Errorf("runs are %v, %v", inspection.Runs, err)
	}
	_, _, execs = h.apply(planOf(seeding()...))
	same(t, "after its run was removed", execs, []string{"db tune seed\n"})
	if err := h.engine.Remove(t.Context(), testEnclave, testRun); err != nil {
		t.Fatal(err)
	}

	// Another owner may take the name of a run that was removed.
	request := h.request(planOf(seeding()...))
	request.Owner = "somebody else"
	if _, err := h.engine.Apply(t.Context(), request); err != nil {
		t.Error(err)
	}
}

func TestOnceCountsOnlyIfItSucceeded(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	operations := seeding()
	h.answer = refusing("seed")
	h.fails(planOf(operations...), "exit code 1")
	h.answer = nil
	_, _, execs := h.apply(planOf(operations...))
	same(t, "after a failure", execs, []string{"db seed", "db tune seed\n"})

	// Other words are another instruction, and a second one of the same words is another, too.
	second := exec("db#3", "db", "seed")
	second.Rerun = plan.RerunOnce
	_, _, execs = h.apply(planOf(append(operations, second)...))
	same(t, "a second one", execs, []string{"db seed"})
	_, _, execs = h.apply(planOf(append(operations, second)...))
	same(t, "and then nothing", execs, nil)
}

// What ran before somebody marked it has run.
func TestOnceTakesUpWhatRan(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	marked := func(rerun plan.Rerun, changes ...func(*plan.ServiceSpec)) *plan.Plan {
		operations := seeding(changes...)
		operations[1].(*plan.Exec).Rerun = rerun //nolint:forcetypeassert // It is made as such.
		return planOf(operations...)
	}
	h.apply(marked(plan.RerunChanged))
	for _, rerun := range []plan.Rerun{plan.RerunOnce, plan.RerunChanged, plan.RerunOnce} {
		_, _, execs := h.apply(marked(rerun))
		same(t, "marked "+string(rerun), execs, nil)
	}
	_, _, execs := h.apply(marked(plan.RerunOnce, env("X", "1")))
	same(t, "marked and replaced", execs, []string{"db tune seed\n"})
	_, _, execs = h.apply(planOf(seeding(env("X", "2"))...))
	same(t, "marked and replaced", execs, []string{"db tune seed\n"})
}

func TestAlwaysRunsInEveryApply(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	check := exec("db#1", "db", "check")
	check.Rerun = plan.RerunAlways
	operations := []plan.Operation{add("db"), check, exec("db#2", "db", "tune")}
	h.apply(planOf(operations...))
	same(t, "diff", h.preview(planOf(operations...)), []string{"run db#1: it runs in every apply"})
	_, _, execs := h.apply(planOf(operations...))
	same(t, "again", execs, []string{"db check"})
}

func TestAskedForFromOutside(t *testing.T) {
	t.Parallel()
	seed := &plan.RunTask{ID: "task.seed", Name: "seed", Kind: plan.TaskShell, Script: "seed", Service: spec("seed", noPorts), Acceptance: plan.Acceptance{Codes: []int64{0}}}
	operations := append(seeding(), plan.Operation(add("api")), plan.Operation(exec("api#1", "api", "warm")), plan.Operation(seed))
	for _, c := range []struct {
		name            string
		change          func(*Request)
		changes, diff   []string
		execs           []string
		refused, remedy string
	}{
		{name: "nothing", change: func(*Request) {}},
		{name: "a step", change: func(r *Request) { r.Rerun = []string{"api#1"} }, diff: []string{"run api#1: it was asked for again"}, execs: []string{"api warm"}},
		{name: "a service's", change: func(r *Request) { r.Rerun = []string{"api"} }, diff: []string{"run api#1: it was asked for again"}, execs: []string{"api warm"}},
		{name: "by place", change: func(r *Request) { r.Rerun = []string{"main.star:5"} }, diff: []string{"run api#1: it was asked for again"}, execs: []string{"api warm"}},
		{name: "one that runs only once", change: func(r *Request) { r.Rerun = []string{"db#1"} }, diff: []string{"run db#1: it was asked for again", "later db#2: it depends on {{db#1.output}}, which is known during the apply"}, execs: []string{"db seed"}},
		{
			name: "all", change: func(r *Request) { r.Rerun = []string{RerunAll} },
			diff:  []string{"run db#2: all were asked for again", "run api#1: all were asked for again", "run task.seed: all were asked for again"},
			execs: []string{"db tune seed\n", "api warm", "seed /bin/sh -c " + runShell + " /bin/sh seed"},
		},
		{
			name: "a new container", change: func(r *Request) { r.Recreate = []string{"api"} },
			diff: []string{"replace api: a new container was asked for", `run api#1: service "api" was replaced`}, execs: []string{"api warm"},
		},
		{name: "an unknown step", change: func(r *Request) { r.Rerun = []string{"web"} }, refused: `"web"`, remedy: `"api#1", "db#1", "db#2", "task.seed"`},
		{name: "an unknown service", change: func(r *Request) { r.Recreate = []string{"web"} }, refused: `"web"`, remedy: `"api", "db"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			h.apply(planOf(operations...))
			request := h.request(planOf(operations...))
			c.change(&request)
			if c.refused != "" {
				_, err := h.engine.Apply(t.Context(), request)
				mention(t, err, c.refused, c.remedy)
				_, err = h.engine.Diff(t.Context(), request)
				mention(t, err, c.refused, c.remedy)
				return
			}
			same(t, "diff", h.foresee(request), c.diff)
			h.execs = nil
			if _, err := h.engine.Apply(t.Context(), request); err != nil {
				t.Fatal(err)
			}
			same(t, "commands", h.execs, c.execs)
		})
	}
}

// A trigger that changed has everything run again, and an apply that failed in the middle goes on from there.
func TestTriggersRunAgainWhatHasNotRunSince(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	request := h.request(planOf(append(seeding(), plan.Operation(add("api")), plan.Operation(exec("api#1", "api", "warm")))...))
	apply := func(trigger string) ([]string, error) {
		h.execs, request.Trigger = nil, trigger
		_, err := h.engine.Apply(t.Context(), request)
		return h.execs, err
	}
	if _, err := apply("a"); err != nil {
		t.Fatal(err)
	}
	h.answer = refusing("warm")
	execs, err := apply("b")
	mention(t, err, "exit code 1")
	same(t, "at first", execs, []string{"db tune seed\n", "api warm"})
	h.answer = nil
	for _, c := range []struct {
		trigger string
		want    []string
	}{{"b", []string{"api warm"}}, {"b", nil}, {"", nil}, {"c", []string{"db tune seed\n", "api warm"}}} {
		execs, err := apply(c.trigger)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "trigger "+c.trigger, execs, c.want)
	}
}

// Going back to where a service is added runs nothing twice in one apply.
func TestAskedForRunsOnceAnApply(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	always := exec("a#1", "a", "check")
	always.Rerun = plan.RerunAlways
	operations := func(last string) []plan.Operation {
		return []plan.Operation{add("a"), add("helper"), always, exec("helper#1", "helper", last), &plan.RemoveService{Service: "helper"}}
	}
	h.apply(planOf(operations("x")...))
	// The helper was removed, so that its instruction needs it again.
	_, _, execs := h.apply(planOf(operations("y")...))
	same(t, "commands", execs, []string{"a check", "helper y"})
}

// refusing answers one command with an exit code that is not accepted.
func refusing(word string) func(service string, command []string) (*enclave.ExecResult, error) {
	return func(_ string, command []string) (*enclave.ExecResult, error) {
		if command[0] == word {
			return &enclave.ExecResult{Code: 1}, nil
		}
		return &enclave.ExecResult{Output: strings.Join(command, " ") + "\n"}, nil
	}
}

func TestVerifyComparesWhatIsNew(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	operations := func(word, target string) []plan.Operation {
		return []plan.Operation{add("db"), exec("db#1", "db", word), &plan.Verify{Value: value("db#1", "output"), Assertion: "==", Target: target}}
	}
	h.apply(planOf(operations("a", "a\n")...))
	same(t, "nothing changed", h.preview(planOf(operations("a", "a\n")...)), nil)
	moved := slices.Insert(operations("a", "a\n"), 2, plan.Operation(&plan.Verify{Value: "1", Assertion: "==", Target: "1"}))
	same(t, "one inserted", h.preview(planOf(moved...)), []string{"run verify#1: it has not held for these values yet"})
	h.fails(planOf(operations("a", "b\n")...), "verification failed")
	same(t, "after a failure", h.preview(planOf(operations("a", "b\n")...)), []string{"run verify#1: it has not held for these values yet"})
	h.fails(planOf(operations("b", "a\n")...), "verification failed")
	h.apply(planOf(operations("b", "b\n")...))
	same(t, "at last", h.preview(planOf(operations("b", "b\n")...)), nil)
}

// What it has stored stays as long as it counts as done: without it, it would have to run again.
func TestOnceKeepsWhatItMade(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.CopyFrom = func(string, string, string) (io.ReadCloser, error) {
			var archive bytes.Buffer
			err := tree(t, "generated").WriteTar(&archive)
			return io.NopCloser(&archive), err
		}
	})
	store := &plan.StoreServiceFiles{ID: "db#1", Service: "db", Source: "/keys", Artifact: "keys", Rerun: plan.RerunOnce}
	operations := planOf(add("db"), store, add("api", mount("/keys", "keys")))
	stored := func() int {
		t.Helper()
		found, err := h.backend.ListArtifacts(t.Context(), testEnclave)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	h.apply(operations)
	h.apply(planOf(add("db", env("X", "1"))))
	if stored() != 1 {
		t.Error("what it made must stay while it is not in the plan")
	}
	if err := h.engine.Remove(t.Context(), testEnclave, testRun); err != nil || stored() != 1 {
		t.Errorf("what it made must stay after its run was removed: %v", err)
	}
	same(t, "diff", h.preview(operations), []string{"create db: it does not exist yet", "create api: it does not exist yet"})
	h.apply(operations)
	found, err := h.backend.ListArtifacts(t.Context(), testEnclave)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.backend.RemoveArtifacts(t.Context(), testEnclave, found); err != nil {
		t.Fatal(err)
	}
	same(t, "diff without it", h.preview(operations), []string{
		`run db#1: files artifact "keys" is missing`, `later api: it mounts files artifact "keys", whose content is known during the apply`,
	})
}
