package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const (
	testEnclave = "dev"
	testRun     = "shop"
	testOwner   = "me"
	testImage   = "test/service:1"
)

// harness is an engine on a backend in memory that writes down which commands ran.
type harness struct {
	*testing.T
	backend *memory.Backend
	engine  *Engine

	mutex  sync.Mutex
	execs  []string // "service command"
	answer func(service string, command []string) (*enclave.ExecResult, error)
	events []Event
}

func newHarness(t *testing.T, change func(*memory.Hooks)) *harness {
	t.Helper()
	h := &harness{T: t}
	hooks := memory.Hooks{
		Exec: func(_ context.Context, _, service string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
			h.mutex.Lock()
			h.execs = append(h.execs, service+" "+strings.Join(request.Command, " "))
			answer := h.answer
			h.mutex.Unlock()
			if answer != nil {
				return answer(service, request.Command)
			}
			return &enclave.ExecResult{Output: strings.Join(request.Command, " ") + "\n"}, nil
		},
	}
	if change != nil {
		change(&hooks)
	}
	h.backend = memory.New(hooks)
	h.backend.AddImage(testImage)
	h.engine = New(h.backend, Options{Events: func(event Event) {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		h.events = append(h.events, event)
	}})
	if _, err := h.backend.CreateEnclave(t.Context(), enclave.Spec{Name: testEnclave, Owner: testOwner}); err != nil {
		t.Fatal(err)
	}
	return h
}

// try applies a plan and gives what was done to services and which commands ran.
func (h *harness) try(p *plan.Plan) (result *Result, changes, execs []string, err error) {
	h.Helper()
	before := len(h.backend.Changes())
	h.mutex.Lock()
	h.execs = nil
	h.mutex.Unlock()
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	result, err = h.engine.Apply(ctx, h.request(p))
	if result == nil && err == nil {
		h.Fatal("there is neither a result nor an error")
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return result, h.backend.Changes()[before:], slices.Clone(h.execs), err
}

func (h *harness) request(p *plan.Plan) Request {
	return Request{Enclave: testEnclave, Run: testRun, Owner: testOwner, Plan: p}
}

// apply is try for plans that must succeed.
func (h *harness) apply(p *plan.Plan) (result *Result, changes, execs []string) {
	h.Helper()
	result, changes, execs, err := h.try(p)
	if err != nil {
		h.Fatalf("apply: %v", err)
	}
	if !result.Complete {
		h.Error("a run that was applied must be complete")
	}
	return result, changes, execs
}

// fails is try for plans that must fail with an error that mentions all that a reader needs.
func (h *harness) fails(p *plan.Plan, mentions ...string) (*Result, error) {
	h.Helper()
	result, _, _, err := h.try(p)
	if err == nil {
		h.Fatalf("there is no error, want one that mentions %q", mentions)
	}
	mention(h, err, mentions...)
	if result != nil && result.Complete {
		h.Error("a run that failed must not be complete")
	}
	return result, err
}

func mention(t testing.TB, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("there is no error, want one that mentions %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not mention %q: %v", text, err)
		}
	}
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// planOf numbers instructions so that each has a position of its own.
func planOf(operations ...plan.Operation) *plan.Plan {
	p := &plan.Plan{PackageName: "test"}
	for i, operation := range operations {
		p.Instructions = append(p.Instructions, plan.Instruction{
			Name:        strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", operation), "*plan.")),
			Description: fmt.Sprintf("instruction %d", i+1), Position: plan.Position{File: "main.star", Line: i + 1, Column: 5}, Operation: operation,
		})
	}
	return p
}

func spec(name string, changes ...func(*plan.ServiceSpec)) plan.ServiceSpec {
	result := plan.ServiceSpec{
		Name: name, Image: plan.Image{Name: testImage},
		Ports: map[string]plan.Port{"http": {Number: 8080, Transport: "TCP", Application: "http", Wait: time.Minute}},
		Env:   map[string]string{"NAME": name},
	}
	for _, change := range changes {
		change(&result)
	}
	return result
}

func env(key, value string) func(*plan.ServiceSpec) {
	return func(s *plan.ServiceSpec) {
		s.Env = maps.Clone(s.Env)
		s.Env[key] = value
	}
}

func mount(path string, artifacts ...string) func(*plan.ServiceSpec) {
	return func(s *plan.ServiceSpec) { s.Files = map[string]plan.Mount{path: {Artifacts: artifacts}} }
}

func noPorts(s *plan.ServiceSpec) { s.Ports = nil }

func add(name string, changes ...func(*plan.ServiceSpec)) *plan.AddServices {
	return &plan.AddServices{Services: []plan.ServiceSpec{spec(name, changes...)}}
}

func batch(specs ...plan.ServiceSpec) *plan.AddServices {
	return &plan.AddServices{Services: specs, Batch: true}
}

func exec(id, service string, command ...string) *plan.Exec {
	return &plan.Exec{ID: id, Service: service, Recipe: plan.ExecRecipe{Command: command}, Acceptance: plan.Acceptance{Codes: []int64{0}}}
}

func value(producer, field string) string {
	return plan.RuntimeValue{Producer: producer, Field: field}.String()
}

func tree(t testing.TB, content string) *plan.FileTree {
	t.Helper()
	result, err := plan.NewFileTree([]plan.File{plan.TextFile("conf/app.txt", 0o644, content)})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func upload(t testing.TB, artifact, content string) *plan.UploadFiles {
	t.Helper()
	return &plan.UploadFiles{Artifact: artifact, Source: "./conf", Tree: tree(t, content)}
}

func emptyObservation() *observation {
	return &observation{snapshot: &enclave.Snapshot{Services: map[string]enclave.Service{}}}
}
