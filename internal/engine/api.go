// Package engine brings an enclave to what a plan says: it observes once, compares, and carries out the difference.
// It knows neither Docker nor Kubernetes, neither Starlark nor Terraform.
package engine

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// ErrNoRun tells that an enclave has no run of that name.
var ErrNoRun = errors.New("no such run")

// Engine carries plans out on one backend. It is safe for concurrent use.
type Engine struct {
	backend enclave.Backend
	logger  *slog.Logger
	events  func(Event)
	command string
	// patience bounds how long a lock is waited for; zero means as long as the context lasts.
	patience time.Duration
}

// Options of an engine; all may be left out.
type Options struct {
	Logger *slog.Logger
	// Events receives progress; it must not block.
	Events func(Event)
	// Command is what whoever waits for this engine is told that it is, for example "sundog run"; without it, the program's
	// name.
	Command string
	// LockPatience bounds how long another apply of a run is waited for; zero means as long as the context lasts.
	LockPatience time.Duration
}

// New makes an engine on a backend.
func New(backend enclave.Backend, options Options) *Engine {
	engine := &Engine{backend: backend, logger: options.Logger, events: options.Events, command: options.Command, patience: options.LockPatience}
	if engine.command == "" {
		engine.command = filepath.Base(os.Args[0])
	}
	if engine.logger == nil {
		engine.logger = slog.New(slog.DiscardHandler)
	}
	if engine.events == nil {
		engine.events = func(Event) {}
	}
	return engine
}

// Request asks to bring a run to a plan.
type Request struct {
	Enclave string
	// Run is the run's name in the enclave, for example "shop" or "fork/staging".
	Run   string
	Owner string
	Plan  *plan.Plan
	// Parallelism bounds how many services of one batch start at the same time; 0 means what suits the backend.
	Parallelism int
	Images      enclave.ImagePolicy
	// Rerun names imperative instructions to carry out although nothing changed, by ID ("db#1", "task.seed"), by service or
	// task, or by place ("main.star:12"); RerunAll stands for all but those that run only once.
	Rerun []string
	// Recreate names services that get a new container although nothing changed.
	Recreate []string
	// Trigger, if it is not empty and not as it was when an imperative instruction ran, has that run again, unless it runs
	// only once.
	Trigger string
	// Secrets are values that must not show in errors and events, beside those that the plan marks as such.
	Secrets []string
}

// Result is a run as it is after an apply or an observation.
type Result struct {
	Run       string
	Owner     string
	CreatedAt time.Time
	// Complete tells that the last apply came to its end.
	Complete bool
	// Failure is why it did not, as the apply told it; empty where it did, or was cut off.
	Failure string
	// Services of the run by name, tasks left out. A service that the record knows and that is gone has State "missing".
	Services map[string]Service
	// Artifacts maps the names of the run's artifacts to their digests: of uploaded files that of their tree, of all
	// others a hash that is keyed by the enclave, as they may hold secrets.
	Artifacts map[string]string
	// Outdated says in words what the run has taken over from others and what is not so any more, and which of its files
	// artifacts are lost. The next apply brings it up to date.
	Outdated []string
	// Output with runtime values resolved.
	Output any
	// Messages are what print instructions said, in order.
	Messages []string
	// Warnings from images and instructions.
	Warnings []string
	// Operations counts what was done to services, by "keep", "create", "replace", "update", "remove", "start", "stop".
	Operations map[string]int
	// Decisions tell for every object of the plan what was done and why, in the order of the plan.
	Decisions []Decision
}

// Service is a service of a run.
type Service struct {
	enclave.Service
	// Status in words: "running", "exited (1)", "missing", ... A running one that is not as its plan left it is "replaced",
	// "failed" or "not ready".
	Status string
	// Holds tells that the service is as its plan left it; the next apply mends one that does not hold. A process that
	// was to do its work and end holds when it has exited with code 0.
	Holds bool
	// place in the order of the plan, counted from 1; zero where it is not recorded.
	place int
}

// StatusCompleted is the status of a service whose process did its work and ended by itself while its run was applied.
const StatusCompleted = "completed"

// Event is one step of progress.
type Event struct {
	Time    time.Time `json:"time"`
	Enclave string    `json:"enclave"`
	Run     string    `json:"run"`
	Step    string    `json:"step"`   // what happens, for example "start", "wait", "exec", "pull"; "apply" is the whole run
	Object  string    `json:"object"` // service, artifact, image or run, or the name of a step on a service
	Status  string    `json:"status"` // "started", "progress" (any number of them), "done" or "failed"
	Message string    `json:"message,omitempty"`
	// Position of the instruction in its package; empty where it is about none.
	Position string `json:"position,omitempty"`
}
