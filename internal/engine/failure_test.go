package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func wait(duration time.Duration) func(*plan.ServiceSpec) {
	return func(s *plan.ServiceSpec) {
		s.Ports = map[string]plan.Port{"http": {Number: 8080, Transport: "TCP", Application: "http", Wait: duration}}
	}
}

func TestServiceThatExitsAtStart(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(_ string, request enclave.ServiceRequest) memory.Outcome {
			return memory.Outcome{Exited: broken.Load() && request.Spec.Name == "api", Code: 3}
		}
		hooks.Logs = func(_, service string) string {
			var text strings.Builder
			for i := range 30 {
				fmt.Fprintf(&text, "%s line %d\n", service, i)
			}
			return text.String()
		}
	})
	p := planOf(add("db"), exec("seed", "db", "seed"), add("api", wait(time.Hour)), add("web"))
	begin := time.Now()
	result, err := h.fails(p, "main.star:3:5", "instruction 3", `service "api" exited with code 3`, `port "http" (8080/tcp)`, "api line 10\n", "api line 29")
	if strings.Contains(err.Error(), "api line 9\n") {
		t.Error("more than 20 log lines are shown")
	}
	if time.Since(begin) > 5*time.Second {
		t.Error("a service that has exited must not be waited for")
	}
	var failure *Error
	if !errors.As(err, &failure) || failure.Service != "api" || failure.Position.Line != 3 {
		t.Errorf("the failure is %+v", failure)
	}
	if result.Services["db"].Status != "running" || result.Services["api"].Status != "exited (3)" || result.Services["api"].Holds {
		t.Errorf("services are %+v", result.Services)
	}
	broken.Store(false)
	_, changes, execs := h.apply(p)
	same(t, "commands after the mend", execs, nil)
	// Web had been made ahead.
	if want := []string{"CreateService dev/api", "StartService dev/api", "StartService dev/web"}; !slices.Equal(changes, want) {
		t.Errorf("changes after the mend:\n got %q\nwant %q", changes, want)
	}
}

func TestServiceThatRunsOutOfMemory(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(string, enclave.ServiceRequest) memory.Outcome {
			return memory.Outcome{Exited: true, Code: 137, OutOfMemory: true}
		}
	})
	result, _ := h.fails(planOf(add("api", noPorts)), `service "api" ran out of memory and was killed (exit code 137)`, "its log is empty")
	if got := result.Services["api"].Status; got != "out of memory (137)" {
		t.Errorf("status is %q", got)
	}
}

func TestProcessThatEndsWithSuccess(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(string, enclave.ServiceRequest) memory.Outcome { return memory.Outcome{Exited: true} }
	})
	result, _, _ := h.apply(planOf(add("init", noPorts)))
	if got := result.Services["init"]; got.Status != StatusCompleted || !got.Holds {
		t.Errorf("init is %+v", got)
	}
	_, changes, _ := h.apply(planOf(add("init", noPorts)))
	same(t, "changes of a second apply", changes, nil)
}

func TestPortThatNeverOpens(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Dial = func(context.Context, string, string, string, int) (net.Conn, error) {
			return nil, errors.New("connection refused")
		}
		hooks.Logs = func(string, string) string { return "still thinking\n" }
	})
	h.fails(planOf(add("api", wait(150*time.Millisecond))), `port "http" (8080/tcp) of service "api" was not open within 150ms`, "last attempt: connection refused", "| still thinking")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := h.engine.Apply(ctx, h.request(planOf(add("api", wait(time.Hour)))))
	mention(t, err, `interrupted while waiting for port "http" (8080/tcp) of service "api" to open`, "connection refused")
}

func TestReadyCondition(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	tries := 0
	h.answer = func(string, []string) (*enclave.ExecResult, error) {
		tries++
		return &enclave.ExecResult{Code: max(0, 3-tries), Output: "not yet"}, nil
	}
	ready := func(field string, target any) func(*plan.ServiceSpec) {
		return func(s *plan.ServiceSpec) {
			s.Ready = &plan.ReadyCondition{
				Recipe:    &plan.ExecRecipe{Command: []string{"ready"}},
				Condition: plan.Condition{Field: field, Assertion: "==", Target: target, Interval: 5 * time.Millisecond, Timeout: 100 * time.Millisecond},
			}
		}
	}
	h.apply(planOf(add("db", ready("code", int64(0)))))
	if tries != 3 {
		t.Errorf("asked %d times, want 3", tries)
	}
	// Another condition needs no other container.
	result, changes, _, err := h.try(planOf(add("db", ready("output", "yes"))))
	mention(t, err, `service "db" did not become ready`, `output == "yes" did not hold within 100ms`, `last value: "not yet"`)
	same(t, "changes", changes, nil)
	if result.Operations["update"] != 1 || result.Services["db"].Status != "not ready" || result.Services["db"].Holds {
		t.Errorf("result is %+v", result)
	}
	h.fails(planOf(add("db", ready("body", "yes"))), `it has no field "body", only "code", "output"`)
}

func TestBatchRollsNewOnesBackAndKeepsTheFailed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(_ string, request enclave.ServiceRequest) memory.Outcome {
			return memory.Outcome{Exited: request.Spec.Env["BROKEN"] != "", Code: 1}
		}
	})
	h.apply(planOf(batch(spec("old"))))
	result, _ := h.fails(planOf(batch(spec("old"), spec("a"), spec("b"), spec("c", env("BROKEN", "1")))), `service "c" exited with code 1`, "the other new services of the batch were removed again")
	same(t, "services", sortedKeys(result.Services), []string{"c", "old"})
	_, changes, _ := h.apply(planOf(batch(spec("old"), spec("a"), spec("b"), spec("c"))))
	slices.Sort(changes)
	same(t, "changes after the mend", changes, []string{
		"CreateService dev/a", "CreateService dev/b", "CreateService dev/c", "StartService dev/a", "StartService dev/b", "StartService dev/c",
	})
}

func TestParallelismBoundsABatch(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Start = func(string, enclave.ServiceRequest) memory.Outcome {
			count := now.Add(1)
			for {
				seen := most.Load()
				if count <= seen || most.CompareAndSwap(seen, count) {
					break
				}
			}
			time.Sleep(20 * time.Millisecond)
			now.Add(-1)
			return memory.Outcome{}
		}
	})
	var specs []plan.ServiceSpec
	for i := range 12 {
		specs = append(specs, spec(fmt.Sprintf("s%d", i)))
	}
	request := h.request(planOf(batch(specs...)))
	request.Parallelism = 3
	if _, err := h.engine.Apply(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if most.Load() != 3 {
		t.Errorf("%d started at the same time, want 3", most.Load())
	}
}

func TestMissingImagesAreToldTogetherAndFirst(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	image := func(name string) func(*plan.ServiceSpec) {
		return func(s *plan.ServiceSpec) { s.Image.Name = name }
	}
	result, err := h.fails(planOf(add("db"), add("api", image("nowhere/api:1")), add("api2", image("nowhere/api:1")), add("web", image("nowhere/web:1"))),
		"main.star:2:5", "nowhere/api:1", "main.star:4:5", "nowhere/web:1")
	if strings.Count(err.Error(), `"nowhere/api:1"`) != 1 || strings.Contains(err.Error(), "main.star:3:5") {
		t.Errorf("an image must be told once: %v", err)
	}
	if _, ok := errors.AsType[*enclave.ImageError](err); !ok {
		t.Errorf("got error %v", err)
	}
	if len(result.Services) != 0 {
		t.Errorf("services are %v", result.Services)
	}
	same(t, "changes", h.backend.Changes(), nil)
}

func TestUnreachableBackendIsNoEmptyEnclave(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Before = func(_ context.Context, call memory.Call) error {
			if down.Load() {
				return &enclave.UnreachableError{Endpoint: "unix:///nowhere", Chosen: "the test", Err: errors.New("connection refused")}
			}
			return nil
		}
	})
	h.apply(planOf(add("db")))
	down.Store(true)
	var unreachable *enclave.UnreachableError
	if _, err := h.engine.Observe(t.Context(), testEnclave, testRun); !errors.As(err, &unreachable) {
		t.Errorf("observe: got error %v", err)
	}
	if err := h.engine.Remove(t.Context(), testEnclave, testRun); !errors.As(err, &unreachable) {
		t.Errorf("remove: got error %v", err)
	}
	if result, err := h.engine.Apply(t.Context(), h.request(planOf())); !errors.As(err, &unreachable) || result != nil {
		t.Errorf("apply: got %v, %v", result, err)
	}
}

func TestBackendThatGoesAwayDuringAnApply(t *testing.T) {
	t.Parallel()
	var h *harness
	var down atomic.Bool
	h = newHarness(t, func(hooks *memory.Hooks) {
		hooks.Before = func(_ context.Context, call memory.Call) error {
			if call.String() == "StartService dev/api" {
				down.Store(true)
			}
			if down.Load() {
				return &enclave.UnreachableError{Endpoint: "unix:///nowhere", Chosen: "the test", Err: errors.New("connection refused")}
			}
			return nil
		}
	})
	result, err := h.fails(planOf(add("db"), add("api")), "main.star:2:5", "cannot reach the engine at unix:///nowhere", `record run "shop"`)
	if result == nil || result.Services["db"].Status != "running" || result.Services["api"].Status != "created" {
		t.Errorf("got %+v, %v; what had succeeded must be told", result, err)
	}
}

func TestSecretsStayOutOfErrorsAndEvents(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Logs = func(string, string) string { return "connecting with token-123456 and hunter-2-hunter\n" }
	})
	h.answer = func(string, []string) (*enclave.ExecResult, error) {
		return &enclave.ExecResult{Code: 1, Output: "bad token-123456 and hunter-2-hunter"}, nil
	}
	request := h.request(planOf(add("db", func(s *plan.ServiceSpec) { s.VolatileEnv = map[string]string{"TOKEN": "token-123456"} }), exec("seed", "db", "seed")))
	request.Secrets = []string{"hunter-2-hunter"}
	_, err := h.engine.Apply(t.Context(), request)
	mention(t, err, "exit code 1", "bad (secret) and (secret)")
	var shown strings.Builder
	shown.WriteString(err.Error())
	for _, event := range h.events {
		shown.WriteString(event.Message)
	}
	texts := shown.String()
	for _, secret := range []string{"token-123456", "hunter-2-hunter"} {
		if strings.Contains(texts, secret) {
			t.Errorf("a secret shows: %s", texts)
		}
	}
	record, err := h.backend.Record(t.Context(), testEnclave, recordName(testRun))
	if err != nil || strings.Contains(string(record), "token-123456") {
		t.Errorf("the record holds volatile environment, or cannot be read: %v", err)
	}
}

func TestRequestAndExtract(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "http://127.0.0.1:8080/items", http.StatusFound)
		case r.URL.Path == "/away":
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		case broken.Load():
			http.Error(w, "<html>sorry</html>", http.StatusInternalServerError)
		case r.Method == http.MethodPost:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, `{"type": %q, "body": %q, "header": %q}`, r.Header.Get("Content-Type"), body, r.Header.Get("X-From"))
		default:
			fmt.Fprintf(w, `{"host": %q, "n": 3.0, "big": 123456789012345678901234567890, "list": [1, null, {"a": 2.5}], "names": ["x", "y"]}`, r.Host)
		}
	})
	h := newHarness(t, func(hooks *memory.Hooks) {
		hooks.Dial = func(_ context.Context, _, service, _ string, port int) (net.Conn, error) {
			if port != 8080 {
				return nil, fmt.Errorf("nothing listens on %d", port)
			}
			near, far := net.Pipe()
			go func() {
				server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
				_ = server.Serve(&oneConn{conn: far})
			}()
			return near, nil
		}
	})
	get := func(endpoint string, extract map[string]string) *plan.Request {
		return &plan.Request{
			ID: "get", Service: "api", Acceptance: plan.Acceptance{Codes: []int64{200}},
			Recipe: plan.HTTPRecipe{Method: http.MethodGet, PortID: "http", Endpoint: endpoint, Extract: extract},
		}
	}
	p := planOf(add("api"),
		get("/moved", map[string]string{"host": ".host", "n": ".n", "big": ".big", "list": ".list", "names": ".names[]", "first": ".missing, .names[0]"}),
		&plan.Request{
			ID: "post", Service: "api", Acceptance: plan.Acceptance{Codes: []int64{200}},
			Recipe: plan.HTTPRecipe{
				Method: http.MethodPost, PortID: "http", Endpoint: "/", Body: "n=" + value("get", "extract.n"), ContentType: "text/plain",
				Headers: map[string]string{"X-From": value("get", "extract.first"), "Content-Type": "ignored"}, Extract: map[string]string{"all": "."},
			},
		})
	output := map[string]any{"post": value("post", "extract.all")}
	for _, key := range []string{"host", "n", "big", "list", "names"} {
		output[key] = value("get", "extract."+key)
	}
	p.Output = output
	result, _, _ := h.apply(p)
	want := `{"big": 123456789012345678901234567890, "host": "127.0.0.1:8080", "list": [1, "<nil>", {"a": 2.5}], "n": 3, "names": ["x", "y"], ` +
		`"post": {"body": "n=3", "header": "x", "type": "text/plain"}}`
	if got := plan.FormatValue(result.Output); got != want {
		t.Errorf("output:\n got %s\nwant %s", got, want)
	}
	again, _, _ := h.apply(p)
	if got := plan.FormatValue(again.Output); got != want {
		t.Errorf("output out of the record:\n got %s\nwant %s", got, want)
	}
	h.fails(planOf(add("api"), get("/", map[string]string{"bad": "..["})), "main.star:2:5", "jq", "bad")
	h.fails(planOf(add("api"), get("/", map[string]string{"none": ".nothing"})), `the jq expression ".nothing" gives nothing`)
	h.fails(planOf(add("api"), get("/away", nil)), "redirects to example.com:80, which is no service of the enclave")
	missing := get("/", nil)
	missing.Recipe.PortID = "grpc"
	h.fails(planOf(add("api"), missing), `no port "grpc": its ports are "http"`)
	broken.Store(true)
	h.fails(planOf(add("api"), get("/x", map[string]string{"n": ".n"})), "the answer has status code 500, and only 200 is acceptable", "sorry")
}

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conn net.Conn
	done bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.done {
		return nil, net.ErrClosed
	}
	l.done = true
	return l.conn, nil
}
func (*oneConn) Close() error     { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

func TestExecAndWaitFailures(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.answer = func(_ string, command []string) (*enclave.ExecResult, error) {
		return &enclave.ExecResult{Code: len(command), Output: "{\"a\": 1}"}, nil
	}
	h.fails(planOf(add("db"), exec("x", "db", "x")), "main.star:2:5", "exit code 1, and only 0 is acceptable", `{"a": 1}`)
	accepted := exec("x", "db", "x", "y")
	accepted.Acceptance = plan.Acceptance{Codes: []int64{2}}
	accepted.Recipe.Extract = map[string]string{"a": "fromjson | .a"}
	h.apply(planOf(add("db"), accepted, &plan.Verify{Value: value("x", "extract.a"), Assertion: "IN", Target: []any{int64(1)}}))
	h.fails(planOf(add("db"), accepted, &plan.Verify{Value: value("x", "code"), Assertion: "==", Target: int64(3)}), "main.star:3:5", "2 == 3 does not hold")
	h.fails(planOf(add("db"), accepted, &plan.Verify{Value: value("y", "code"), Assertion: "==", Target: int64(3)}), "{{y.code}}", `nothing that ran before is called "y"`)
	h.fails(planOf(add("db"), &plan.Wait{
		ID: "w", Service: "db", Recipe: &plan.ExecRecipe{Command: []string{"a"}},
		Condition: plan.Condition{Field: "code", Assertion: "==", Target: value("db", "hostname"), Interval: time.Millisecond, Timeout: 20 * time.Millisecond},
	}), "main.star:2:5", `code == "db" did not hold within 20ms`, "of type int")
	h.fails(planOf(exec("x", "nobody", "x")), "main.star:1:5", `service "nobody": not found`)
	h.fails(planOf(add("db", mount("/x", "nothing"))), `files artifact "nothing" does not exist`)
	h.fails(planOf(&plan.GetFilesArtifact{Artifact: "nothing"}), `files artifact "nothing": not found`)
	h.fails(planOf(&plan.GetServices{Services: []string{"nobody"}}), `service "nobody": not found`)
	h.fails(planOf(add("Bad_Name")), "main.star:1:5", "RFC 1035")
	h.fails(planOf(add("db"), add("db")), "main.star:2:5", "added already, at main.star:1:5")
}

func TestFailureTellsTheCallsThatLedToIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.answer = func(string, []string) (*enclave.ExecResult, error) { return &enclave.ExecResult{Code: 1}, nil }
	p := planOf(add("api"), exec("api#1", "api", "migrate"))
	p.Instructions[1].Callers = []plan.Caller{
		{Position: plan.Position{File: "main.star", Line: 20, Column: 5}, Function: "run"},
		{Position: plan.Position{File: "lib.star", Line: 7, Column: 3}, Function: "prepare"},
	}
	h.fails(p, "main.star:2:5: ", "exit code 1", "\n  called at lib.star:7:3 in prepare\n  called at main.star:20:5 in run")
}

func TestInspectionTellsWhyTheLastApplyFailed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.answer = func(string, []string) (*enclave.ExecResult, error) {
		return &enclave.ExecResult{Code: 4, Output: "no table"}, nil
	}
	p := planOf(add("api"), exec("api#1", "api", "migrate"))
	h.fails(p, "exit code 4")
	failureOf := func() string {
		t.Helper()
		seen, err := h.engine.Inspect(t.Context(), testEnclave)
		if err != nil {
			t.Fatal(err)
		}
		return seen.Runs[0].Failure
	}
	if failure := failureOf(); !strings.Contains(failure, "main.star:2:5") || !strings.Contains(failure, "no table") {
		t.Errorf("%q", failure)
	}
	h.answer = nil
	h.apply(p)
	if failure := failureOf(); failure != "" {
		t.Errorf("it holds now: %q", failure)
	}
}
