package engine

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// paused is a plan with services that run, one that it stops, and one whose process does its work and ends.
func paused(h *harness) {
	h.apply(planOf(
		add("db"), add("job", noPorts), add("spare"), add("api"),
		&plan.StopService{Service: "spare"},
	))
}

func pausedHarness(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(_ string, request enclave.ServiceRequest) memory.Outcome {
			return memory.Outcome{Exited: request.Spec.Name == "job"}
		}
	})
	paused(h)
	return h
}

func TestStopAndStartKeepTheOrder(t *testing.T) {
	h := pausedHarness(t)
	stopped, err := h.engine.Stop(t.Context(), testEnclave)
	if err != nil || !slices.Equal(stopped, []string{"api", "db"}) {
		t.Errorf("stopped %v: %v", stopped, err)
	}
	if again, err := h.engine.Stop(t.Context(), testEnclave); err != nil || len(again) != 0 {
		t.Errorf("stopped again %v: %v", again, err)
	}
	started, err := h.engine.Start(t.Context(), testEnclave, true)
	if err != nil || !slices.Equal(started, []string{"db", "api"}) {
		t.Errorf("what the plan leaves stopped or has done its work stays: started %v: %v", started, err)
	}
	before := len(h.backend.Changes())
	paused(h)
	if changes := h.backend.Changes()[before:]; len(changes) != 0 {
		t.Errorf("the next apply finds everything in place, and did %v", changes)
	}
}

func TestOneServiceThatFailsKeepsNoOtherFromStopping(t *testing.T) {
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Before = func(_ context.Context, call memory.Call) error {
			if call.Method == "StopService" && call.Object == "api" {
				return errors.New("it hangs")
			}
			return nil
		}
	})
	h.apply(planOf(add("db"), add("api")))
	stopped, err := h.engine.Stop(t.Context(), testEnclave)
	mention(t, err, "it hangs")
	if !slices.Equal(stopped, []string{"db"}) {
		t.Error(stopped)
	}
}

func TestDisposeWaitsForApplies(t *testing.T) {
	h := pausedHarness(t)
	unlock, err := h.backend.Lock(t.Context(), testEnclave, lockOf(testRun), "an apply")
	if err != nil {
		t.Fatal(err)
	}
	for name, attempt := range map[string]func(context.Context) error{
		"dispose": func(ctx context.Context) error { return h.engine.Dispose(ctx, testEnclave, Disposal{}) },
		"impatient": func(context.Context) error {
			return h.engine.Dispose(t.Context(), testEnclave, Disposal{Patience: 100 * time.Millisecond})
		},
		"stop": func(ctx context.Context) error { _, err := h.engine.Stop(ctx, testEnclave); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if locked, ok := errors.AsType[*enclave.LockedError](attempt(ctx)); !ok || locked.Holder != "an apply" {
			t.Errorf("%s must tell who is in the way", name)
		}
	}
	unlock()
	if err := h.engine.Dispose(t.Context(), testEnclave, Disposal{Still: func(*enclave.Enclave) bool { return false }}); !errors.Is(err, ErrSpared) {
		t.Error(err)
	}
	if _, err := h.backend.Enclave(t.Context(), testEnclave); err != nil {
		t.Errorf("it must be spared: %v", err)
	}
	if err := h.engine.Dispose(t.Context(), testEnclave, Disposal{Still: func(found *enclave.Enclave) bool { return found.Owner == testOwner }}); err != nil {
		t.Error(err)
	}
	if _, err := h.backend.Enclave(t.Context(), testEnclave); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("it must be gone: %v", err)
	}
	if err := h.engine.Dispose(t.Context(), testEnclave, Disposal{}); err != nil {
		t.Errorf("one that is gone is success: %v", err)
	}
}

// together lets calls of one method on some services go on only once all of them are under way.
type together struct {
	method string
	names  []string
	mutex  sync.Mutex
	seen   []string
	all    chan struct{}
}

func (g *together) before(ctx context.Context, call memory.Call) error {
	if call.Method != g.method || !slices.Contains(g.names, call.Object) {
		return nil
	}
	g.mutex.Lock()
	g.seen = append(g.seen, call.Object)
	if len(g.seen) == len(g.names) {
		close(g.all)
	}
	g.mutex.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return errors.New("the others did not come")
	case <-g.all:
		return nil
	}
}

func TestServicesStopTogetherAndThoseOfOneBatchStartTogether(t *testing.T) {
	t.Parallel()
	var gate *together
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Before = func(ctx context.Context, call memory.Call) error {
			if gate == nil {
				return nil
			}
			return gate.before(ctx, call)
		}
	})
	h.apply(planOf(add("db"), batch(spec("a"), spec("b"), spec("c")), add("web")))
	gate = &together{method: "StopService", names: []string{"a", "b", "c", "db", "web"}, all: make(chan struct{})}
	stopped, err := h.engine.Stop(t.Context(), testEnclave)
	if err != nil || stopped[0] != "web" || stopped[4] != "db" {
		t.Errorf("%v: %v", stopped, err)
	}
	gate = &together{method: "StartService", names: []string{"a", "b", "c"}, all: make(chan struct{})}
	before := len(h.backend.Changes())
	started, err := h.engine.Start(t.Context(), testEnclave, true)
	if err != nil || !slices.Equal(started, []string{"db", "a", "b", "c", "web"}) {
		t.Errorf("%v: %v", started, err)
	}
	if changes := h.backend.Changes()[before:]; changes[0] != "StartService dev/db" || changes[4] != "StartService dev/web" {
		t.Errorf("the order of the plan: %v", changes)
	}
}

func TestStartWaitsForPorts(t *testing.T) {
	t.Parallel()
	var opened atomic.Bool
	h := newHarness(t, func(hooks *memory.Hooks) {
		opened.Store(true)
		hooks.Dial = func(_ context.Context, _, service, _ string, _ int) (net.Conn, error) {
			if service == "db" && !opened.Load() {
				return nil, errors.New("refused")
			}
			near, far := net.Pipe()
			_ = far.Close()
			return near, nil
		}
		hooks.Logs = func(string, string) string { return "loading\n" }
	})
	slow := func(s *plan.ServiceSpec) {
		s.Ports = map[string]plan.Port{"sql": {Number: 5432, Transport: "TCP", Wait: 300 * time.Millisecond}}
	}
	p := planOf(add("db", slow), add("web"))
	h.apply(p)
	if _, err := h.engine.Stop(t.Context(), testEnclave); err != nil {
		t.Fatal(err)
	}
	opened.Store(false)
	started, err := h.engine.Start(t.Context(), testEnclave, true)
	mention(t, err, `"sql"`, "5432", `"db"`, "refused", "loading")
	if !slices.Equal(started, []string{"web"}) {
		t.Errorf("%v", started)
	}
	if _, err := h.engine.Stop(t.Context(), testEnclave); err != nil {
		t.Fatal(err)
	}
	if started, err := h.engine.Start(t.Context(), testEnclave, false); err != nil || !slices.Equal(started, []string{"db", "web"}) {
		t.Errorf("without waiting %v: %v", started, err)
	}
}
