package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// preview gives what a diff says about everything that is not kept.
func (h *harness) preview(p *plan.Plan) []string {
	h.Helper()
	return h.foresee(h.request(p))
}

// foresee is preview for requests that ask for more.
func (h *harness) foresee(request Request) []string {
	h.Helper()
	calls := len(h.backend.Calls())
	decisions, err := h.engine.Diff(h.Context(), request)
	if err != nil {
		h.Fatal(err)
	}
	for _, call := range h.backend.Calls()[calls:] {
		if !slices.Contains([]string{"Observe", "Record", "ListArtifacts", "ListRecords"}, call.Method) {
			h.Errorf("a preview must only look, and it called %s", call)
		}
	}
	var texts []string
	for _, decision := range decisions {
		if decision.Action != ActionKeep {
			texts = append(texts, fmt.Sprintf("%s %s: %s", decision.Action, decision.Object, decision.Reason))
		}
	}
	return texts
}

func TestDiffTellsWhatAnApplyWouldDo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	same(t, "before anything is there", h.preview(planOf(shop(t)...)), []string{
		"create conf: it does not exist yet",
		"create db: it does not exist yet",
		"run migrate: it has not run yet",
		"later seed: it depends on {{migrate.output}}, which is known during the apply",
		"later api: it depends on {{db.ip_address}}, which is known during the apply",
		"run warm: it has not run yet",
		"later web: it depends on {{seed.code}}, which is known during the apply",
		"later verify#1: it depends on {{seed.code}}, which is known during the apply",
	})
	h.apply(planOf(shop(t)...))
	same(t, "when nothing changed", h.preview(planOf(shop(t)...)), nil)

	operations := shop(t)
	operations[0] = upload(t, "conf", "level: 2\n")
	operations[1] = add("db", env("TUNE", "1"))
	same(t, "when a producer is replaced", h.preview(planOf(operations[:6]...)), []string{
		"update conf: its content changed",
		"replace db: environment variable TUNE was added",
		`run migrate: service "db" was replaced`,
		"later seed: it depends on {{migrate.output}}, which is known during the apply",
		"replace api: files at /conf changed",
		`run warm: service "api" was replaced`,
		"remove web: the plan does not have it any more",
	})
	h.backend.Kill(testEnclave, "api", 2)
	h.backend.Vanish(testEnclave, "web")
	same(t, "after drift", h.preview(planOf(shop(t)...)), []string{
		"start api: it is exited (2)", "create web: it is missing: something else removed it",
	})
}

func TestDiffAgreesWithApply(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(o []plan.Operation) []plan.Operation{
		"nothing": func(o []plan.Operation) []plan.Operation { return o },
		"web":     func(o []plan.Operation) []plan.Operation { o[6] = add("web", env("X", "1")); return o },
		"stopped": func(o []plan.Operation) []plan.Operation { return append(o, &plan.StopService{Service: "web"}) },
		"inserted": func(o []plan.Operation) []plan.Operation {
			return slices.Insert(o, 6, plan.Operation(exec("x", "api", "x")))
		},
		"removed": func(o []plan.Operation) []plan.Operation { return append(o, &plan.RemoveService{Service: "web"}) },
	} {
		h := newHarness(t, nil)
		h.apply(planOf(shop(t)...))
		p := planOf(change(shop(t))...)
		foreseen := h.preview(p)
		result, _, _ := h.apply(p)
		var done []string
		for _, decision := range result.Decisions {
			if decision.Action != ActionKeep {
				done = append(done, fmt.Sprintf("%s %s: %s", decision.Action, decision.Object, decision.Reason))
			}
		}
		same(t, name, done, foreseen)
	}
}

func TestTwoRunsOfOneEnclaveSideBySide(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(upload(t, "shared", "x")))
	failures := make(chan error)
	for n := range 6 {
		go func() {
			request := h.request(planOf(
				upload(t, "own", strconv.Itoa(n%2)), add(fmt.Sprintf("s%d", n), mount("/own", "own", "shared")), exec("e", fmt.Sprintf("s%d", n), "run"),
			))
			request.Run = fmt.Sprintf("run-%d", n)
			_, err := h.engine.Apply(context.WithoutCancel(t.Context()), request)
			failures <- err
		}()
	}
	for range 6 {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	// A borrowed artifact is not taken away from those who mount it.
	h.apply(planOf())
	if stored, _ := h.backend.ListArtifacts(t.Context(), testEnclave); len(stored) != 3 {
		t.Errorf("stored are %v, want two of the runs' own and the borrowed one", stored)
	}
	for n := range 6 {
		if err := h.engine.Remove(t.Context(), testEnclave, fmt.Sprintf("run-%d", n)); err != nil {
			t.Error(err)
		}
	}
	if stored, _ := h.backend.ListArtifacts(t.Context(), testEnclave); len(stored) != 0 {
		t.Errorf("stored are %v, want none", stored)
	}
	if snapshot, err := h.backend.Observe(t.Context(), testEnclave); err != nil || len(snapshot.Services) != 0 {
		t.Errorf("left are %v, %v", snapshot, err)
	}
}

func TestOneApplyOfARunAtATime(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	unlock, err := h.backend.Lock(t.Context(), testEnclave, lockOf(testRun), "somebody")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = h.engine.Apply(ctx, h.request(planOf(add("db"))))
	mention(t, err, `"run/shop"`, "somebody")
	if _, ok := errors.AsType[*enclave.LockedError](err); !ok {
		t.Errorf("got error %v", err)
	}
}

// A build context that changed shows before anything is built.
func TestDiffKnowsBuildContexts(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	built := func(content string) *plan.Plan {
		return planOf(add("api", func(s *plan.ServiceSpec) {
			s.Image = plan.Image{Name: "test/built:1", Build: &plan.Build{Context: tree(t, content), BuildFile: "Dockerfile"}}
		}))
	}
	h.apply(built("one"))
	same(t, "nothing changed", h.preview(built("one")), nil)
	same(t, "another context", h.preview(built("two")), []string{"replace api: image changed"})
	result, _, _ := h.apply(built("two"))
	if result.Operations["replace"] != 1 {
		t.Errorf("operations are %v", result.Operations)
	}
}

// The image of a task, or of a service that its plan removes, is that of no container by the time of a comparison.
func TestDiffKnowsImagesThatNoContainerHas(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.backend.AddImage("test/tools:1")
	tools := func(s *plan.ServiceSpec) { s.Image.Name, s.Ports = "test/tools:1", nil }
	p := planOf(
		add("db"), &plan.RunTask{ID: "task.seed", Name: "seed", Kind: plan.TaskShell, Script: "seed", Service: spec("seed", tools), Acceptance: plan.Acceptance{Codes: []int64{0}}},
		add("helper", tools), exec("helper#1", "helper", "help"), &plan.RemoveService{Service: "helper"},
	)
	h.apply(p)
	same(t, "nothing changed", h.preview(p), nil)
	h.backend.Vanish(testEnclave, "db")
	same(t, "the only one of its image is gone", h.preview(p), []string{"create db: it is missing: something else removed it"})
}
