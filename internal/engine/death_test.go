package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// mortal makes every call from the nth on fail, as if the process had died; before it, the nth is not carried out.
type mortal struct {
	calls  atomic.Int64
	death  atomic.Int64
	cancel atomic.Pointer[context.CancelFunc] // A dead process waits for nothing.
}

var errDead = errors.New("dead")

func (m *mortal) before(context.Context, memory.Call) error {
	if count := m.calls.Add(1); m.death.Load() > 0 && count >= m.death.Load() {
		(*m.cancel.Load())()
		return errDead
	}
	return nil
}

// outcome is what must be the same whether an apply was disturbed or not.
func (h *harness) outcome() map[string]string {
	h.Helper()
	snapshot, err := h.backend.Observe(h.Context(), testEnclave)
	if err != nil {
		h.Fatal(err)
	}
	seen := map[string]string{}
	for name, service := range snapshot.Services {
		request, _ := h.backend.Request(testEnclave, name)
		seen[name] = fmt.Sprintf("%s %s %v %v", service.State, service.Run, request.Spec.Env, len(request.Artifacts))
	}
	stored, err := h.backend.ListArtifacts(h.Context(), testEnclave)
	if err != nil {
		h.Fatal(err)
	}
	records, err := h.backend.ListRecords(h.Context(), testEnclave, "")
	if err != nil {
		h.Fatal(err)
	}
	seen["artifacts"], seen["records"] = strconv.Itoa(len(stored)), fmt.Sprint(records)
	return seen
}

func TestDeathAtEveryCallConverges(t *testing.T) {
	t.Parallel()
	level := func(text string) *plan.Plan {
		return planOf(
			upload(t, "conf", text), add("db", env("LEVEL", text)), exec("id", "db", "id", text),
			batch(spec("a", env("ID", value("id", "output"))), spec("b", mount("/conf", "conf"))),
			add("job"), exec("work", "job", "work"), &plan.RemoveService{Service: "job"}, add("idle"), &plan.StopService{Service: "idle"},
		)
	}
	setUp := func(t *testing.T) (*harness, *mortal) {
		t.Helper()
		m := &mortal{}
		h := newHarness(t, func(hooks *memory.Hooks) { hooks.Before = m.before })
		return h, m
	}
	h, m := setUp(t)
	m.calls.Store(0)
	h.apply(level("1"))
	first, firstCalls := h.outcome(), m.calls.Load()
	m.calls.Store(0)
	h.apply(level("2"))
	second, secondCalls := h.outcome(), m.calls.Load()
	m.calls.Store(0)
	if err := h.engine.Remove(t.Context(), testEnclave, testRun); err != nil {
		t.Fatal(err)
	}
	removed, removeCalls := h.outcome(), m.calls.Load()
	if first["records"] != "[runs/shop]" || first["artifacts"] != "1" || len(first) != 6 || removed["records"] != "[]" || len(removed) != 2 {
		t.Fatalf("the undisturbed outcomes are %v and %v", first, removed)
	}
	for death := int64(1); death <= max(firstCalls, secondCalls, removeCalls); death++ {
		h, m := setUp(t)
		dying := func(what func(context.Context) error) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			m.cancel.Store(&cancel)
			m.calls.Store(0)
			m.death.Store(death)
			err := what(ctx)
			if m.calls.Load() < death && err != nil || m.calls.Load() > death && err == nil {
				t.Errorf("death at call %d: after %d calls the error is %v", death, m.calls.Load(), err)
			}
			m.death.Store(0)
		}
		apply := func(p *plan.Plan) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := h.engine.Apply(ctx, h.request(p))
				return err
			}
		}
		for _, c := range []struct {
			plan *plan.Plan
			want map[string]string
		}{{level("1"), first}, {level("2"), second}} {
			before := len(h.backend.Changes())
			h.forgetExecs()
			dying(apply(c.plan))
			made := h.backend.Changes()[before:]
			ran := h.forgetExecs()
			_, healing, again := h.apply(c.plan)
			repeatsLittle(t, fmt.Sprintf("death at call %d", death), made, healing, ran, again)
			if diff := cmp.Diff(c.want, h.outcome()); diff != "" {
				t.Errorf("death at call %d: %s", death, diff)
			}
			_, changes, execs := h.apply(c.plan)
			same(t, fmt.Sprintf("death at call %d: changes afterwards", death), changes, nil)
			same(t, fmt.Sprintf("death at call %d: commands afterwards", death), execs, nil)
		}
		dying(func(ctx context.Context) error { return h.engine.Remove(ctx, testEnclave, testRun) })
		if err := h.engine.Remove(t.Context(), testEnclave, testRun); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(removed, h.outcome()); diff != "" {
			t.Errorf("death at call %d of a removal: %s", death, diff)
		}
	}
	t.Logf("died at each of %d, %d and %d calls", firstCalls, secondCalls, removeCalls)
}

// forgetExecs gives the commands that ran so far and begins anew.
func (h *harness) forgetExecs() []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	ran := h.execs
	h.execs = nil
	return ran
}

// repeatsLittle holds what an apply does after another one that died to what is needed: only the command that was not on
// record yet runs again, and a service that the plan has stopped or removed by then is left alone.
func repeatsLittle(t *testing.T, when string, made, healing, ran, again []string) {
	t.Helper()
	for i, command := range ran {
		if i < len(ran)-1 && slices.Contains(again, command) {
			t.Errorf("%s: %q had run and was on record, and ran again", when, command)
		}
	}
	if slices.Contains(made, "RemoveService dev/job") && slices.Contains(healing, "CreateService dev/job") {
		t.Errorf("%s: a service that had done its part was made again", when)
	}
	if slices.Contains(made, "StopService dev/idle") && slices.Contains(healing, "StartService dev/idle") {
		t.Errorf("%s: a service that was stopped was started again", when)
	}
}

// TestTracesOfAnInterruptedRemovalGo has a service vanish that is about to be removed, as an apply leaves it that dies in the
// middle of its removal: the backend may hold more of it than its container.
func TestTracesOfAnInterruptedRemovalGo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("db"), add("old")))
	h.backend.Vanish(testEnclave, "old")
	h.answer = func(string, []string) (*enclave.ExecResult, error) { return nil, errDead }
	h.fails(planOf(add("db"), exec("seed", "db", "seed")), "dead")
	h.answer = nil
	_, changes, _ := h.apply(planOf(add("db"), exec("seed", "db", "seed")))
	same(t, "changes after the interruption", changes, []string{"RemoveService dev/old"})
	_, changes, _ = h.apply(planOf(add("db"), exec("seed", "db", "seed")))
	same(t, "changes afterwards", changes, nil)

	// The same for one that an instruction removes.
	removing := planOf(add("job"), exec("work", "job", "work"), &plan.RemoveService{Service: "job"}, exec("after", "db", "after"))
	h.apply(planOf(add("db")))
	removing.Instructions = append(planOf(add("db")).Instructions, removing.Instructions...)
	h.apply(removing)
	if err := h.changeRecord(func(r *record) { r.Services["job"].Removing = true }); err != nil {
		t.Fatal(err)
	}
	_, changes, execs := h.apply(removing)
	same(t, "changes after the interruption", changes, []string{"RemoveService dev/job"})
	same(t, "commands after the interruption", execs, nil)
	_, changes, _ = h.apply(removing)
	same(t, "changes afterwards", changes, nil)
}

// changeRecord changes what is on record of the run.
func (h *harness) changeRecord(edit func(*record)) error {
	h.Helper()
	known, err := readRecord(h.Context(), h.backend, testEnclave, testRun)
	if err != nil {
		return err
	}
	edit(known)
	content, err := known.encode()
	if err != nil {
		return err
	}
	return h.backend.WriteRecord(h.Context(), testEnclave, recordName(testRun), content)
}
