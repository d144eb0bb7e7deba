package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// execution carries one plan out. It asks the decider about everything and decides nothing itself.
type execution struct {
	engine  *Engine
	request Request
	plan    *plan.Plan
	order   *itinerary
	world   *world
	decider *decider
	store   *recordStore
	ahead   *ahead
	redact  *strings.Replacer
	// positions of the instructions that events are about, by object.
	places    sync.Once
	positions map[string]string

	mutex     sync.Mutex
	messages  map[int]string
	decisions map[string]Decision
	sequence  []string // keys of decisions in the order in which they were taken first
	warnings  []string
	// compared are the digests of the comparisons that the plan has made so far.
	compared []string
	// own are the artifacts that the plan has given the run so far.
	own map[string]string
	// images are the keys of the record's images that the plan has.
	images  map[string]bool
	changed bool // something was done to a service, so the snapshot is out of date
	// settled is the enclave as it was after the last thing that was done to a service.
	settled *enclave.Snapshot
	// interrupted tells that the apply before this one did not come to its end.
	interrupted bool
}

// rewindError asks to go back to where a service is added: an instruction needs a service that was left out, as it had
// done its part before.
type rewindError struct{ planned *plannedService }

func (e *rewindError) Error() string {
	return fmt.Sprintf("service %q has to be made again", e.planned.spec.Name)
}

// walk carries the instructions out, strictly in order.
func (x *execution) walk(ctx context.Context) error {
	for i := 0; i < len(x.plan.Instructions); {
		if err := ctx.Err(); err != nil {
			return x.placed(i, err)
		}
		err := x.instruction(ctx, i)
		if rewind, ok := errors.AsType[*rewindError](err); ok {
			x.decider.force(rewind.planned.key)
			i = rewind.planned.instruction
			continue
		}
		if err != nil {
			return x.placed(i, err)
		}
		i++
	}
	return nil
}

func (x *execution) placed(i int, err error) error {
	placed := instructionError(&x.plan.Instructions[i], err)
	if located, ok := placed.(*Error); ok { //nolint:errorlint // It was made just now.
		located.redact = x.redact
	}
	return placed
}

func (x *execution) instruction(ctx context.Context, i int) error {
	instruction := &x.plan.Instructions[i]
	x.engine.logger.Debug("carry out an instruction", slog.String("name", instruction.Name), slog.String("position", instruction.Position.String()))
	switch operation := instruction.Operation.(type) {
	case *plan.AddServices:
		return x.addServices(ctx, i, operation)
	case *plan.RemoveService:
		return x.removeService(ctx, i, operation)
	case *plan.StartService:
		return x.transition(ctx, i, operation.Service, fateRunning)
	case *plan.StopService:
		return x.transition(ctx, i, operation.Service, fateStopped)
	case *plan.Exec:
		return x.exec(ctx, i, operation)
	case *plan.Request:
		return x.sendRequest(ctx, i, operation)
	case *plan.Wait:
		return x.wait(ctx, i)
	case *plan.Verify:
		return x.verify(ctx, i, operation)
	case *plan.Print:
		return x.print(i, operation)
	case *plan.RenderTemplates, *plan.UploadFiles:
		return x.makeArtifact(ctx, i, operation)
	case *plan.StoreServiceFiles:
		return x.storeServiceFiles(ctx, i, operation)
	case *plan.GetFilesArtifact:
		return x.getArtifact(ctx, operation)
	case *plan.GetServices:
		return x.getServices(operation)
	case *plan.RunTask:
		return x.runTask(ctx, i, operation)
	default:
		return fmt.Errorf("instruction %q cannot be carried out by this version of Sundog", instruction.Name)
	}
}

// note keeps a decision. A later one about the same object replaces the earlier, unless nothing was to be done any more.
func (x *execution) note(instruction int, kind, object string, taken verdict) {
	decision := Decision{Instruction: instruction, Kind: kind, Object: object, Action: taken.action, Reason: taken.reason}
	if instruction >= 0 {
		decision.Position = x.plan.Instructions[instruction].Position
	}
	key := fmt.Sprintf("%d %s %s", instruction, kind, object)
	x.mutex.Lock()
	defer x.mutex.Unlock()
	earlier, found := x.decisions[key]
	if !found {
		x.sequence = append(x.sequence, key)
	}
	if !found || earlier.Action == ActionKeep {
		x.decisions[key] = decision
	}
	x.engine.logger.Debug("decided", slog.String("kind", kind), slog.String("object", object), slog.String("action", string(taken.action)), slog.String("reason", taken.reason))
}

func (x *execution) warn(text string) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.warnings = append(x.warnings, text)
}

func (x *execution) touch() {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.changed, x.settled = true, nil
}

// keepArtifact notes an artifact as one of the run's.
func (x *execution) keepArtifact(name, digest string) {
	x.world.setArtifact(name, digest)
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.own[name] = digest
}

// fill adds to a result what this apply knows beyond the record.
func (x *execution) fill(result *Result) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	for i := range x.plan.Instructions {
		if message, found := x.messages[i]; found {
			result.Messages = append(result.Messages, message)
		}
	}
	for _, key := range x.sequence {
		decision := x.decisions[key]
		result.Decisions = append(result.Decisions, decision)
		if decision.Kind == kindService {
			result.Operations[string(decision.Action)]++
		}
	}
	result.Warnings = append(result.Warnings, x.warnings...)
}

// The kinds of objects of decisions.
const (
	kindService  = "service"
	kindArtifact = "artifact"
	kindStep     = "step"
)

// hasEnded tells that a service's process is not there although it was started.
func hasEnded(service *enclave.Service) bool { return service.State == enclave.StateExited }
