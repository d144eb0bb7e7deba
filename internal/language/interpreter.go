package language

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// interpreter is the state of one interpretation. Starlark code runs in one goroutine; only stopping comes from others.
type interpreter struct {
	ctx     context.Context //nolint:containedctx // an interpretation lives no longer than the call it belongs to
	pkg     *locator.Package
	request Request

	predeclared starlark.StringDict
	programs    *programs
	modules     map[locator.File]*module
	files       map[string]locator.File // by the name that positions have
	loading     []*module               // innermost last
	trees       map[locator.File]*plan.FileTree
	frozen      map[starlark.Value]bool
	meant       map[starlark.Value]*typed // what structs and dictionaries of earlier versions stood for
	recorder

	mutex    sync.Mutex
	threads  []*starlark.Thread // running, innermost last
	finished uint64             // steps of threads that ended
	reason   string             // why everything stops; empty while nothing does
	cause    error
}

func newInterpreter(ctx context.Context, pkg *locator.Package, request Request) *interpreter {
	in := &interpreter{
		ctx: ctx, pkg: pkg, request: request,
		modules: map[locator.File]*module{}, files: map[string]locator.File{}, trees: map[locator.File]*plan.FileTree{}, frozen: map[starlark.Value]bool{}, meant: map[starlark.Value]*typed{},
		recorder: newRecorder(),
	}
	in.predeclared = in.globals()
	in.programs = openPrograms(pkg.CacheFile("programs"))
	return in
}

// onThread runs Starlark code in a thread of its own, so that backtraces begin where the code's file begins.
func (in *interpreter) onThread(name string, run func(thread *starlark.Thread) error) error {
	thread := &starlark.Thread{
		Name: name,
		Load: func(*starlark.Thread, string) (starlark.StringDict, error) {
			return nil, errors.New("load() does not exist in packages: use import_module, as in lib = import_module(\"./lib.star\")")
		},
		OnMaxSteps: func(*starlark.Thread) {
			in.stop(fmt.Sprintf("the interpretation took more than %d steps: look for a loop that does too much, or raise the limit", in.request.Limits.Steps), ErrLimit)
		},
	}
	in.mutex.Lock()
	in.threads = append(in.threads, thread)
	if in.reason != "" {
		thread.Cancel(in.reason)
	}
	in.budget()
	in.mutex.Unlock()

	defer func() {
		in.mutex.Lock()
		defer in.mutex.Unlock()
		in.threads = in.threads[:len(in.threads)-1]
		in.finished += thread.ExecutionSteps()
		in.budget()
	}()
	return run(thread)
}

// budget gives the innermost thread the steps that are left.
func (in *interpreter) budget() {
	if len(in.threads) == 0 {
		return
	}
	used := in.finished
	for _, thread := range in.threads[:len(in.threads)-1] {
		used += thread.ExecutionSteps()
	}
	left := uint64(1)
	if used < in.request.Limits.Steps {
		left = in.request.Limits.Steps - used
	}
	in.threads[len(in.threads)-1].SetMaxExecutionSteps(left)
}

// ErrLimit tells that an interpretation reached one of its limits.
var ErrLimit = errors.New("limit reached")

// stop ends the interpretation as soon as the running thread looks; the first reason counts.
func (in *interpreter) stop(reason string, cause error) {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	if in.reason == "" {
		in.reason, in.cause = reason, cause
	}
	for _, thread := range in.threads {
		thread.Cancel(in.reason)
	}
}

func (in *interpreter) stopReason() (string, error) {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	return in.reason, in.cause
}

// scope opens the conversion of one call's arguments at the place of the call.
func (in *interpreter) scope(thread *starlark.Thread) *scope {
	return &scope{in: in, site: in.site(thread)}
}

// site finds the innermost frame that stands in a file: builtins can be called by other builtins.
func (in *interpreter) site(thread *starlark.Thread) site {
	for depth := 1; depth < thread.CallStackDepth(); depth++ {
		position := thread.CallFrame(depth).Pos
		if file, ok := in.files[position.Filename()]; ok {
			return site{position: toPosition(position), file: file}
		}
	}
	return site{}
}

// callers are the calls that led to the function that calls a builtin, outermost first.
func (in *interpreter) callers(thread *starlark.Thread) []plan.Caller {
	var callers []plan.Caller
	for depth := thread.CallStackDepth() - 1; depth > 0; depth-- {
		frame := thread.CallFrame(depth)
		if _, ok := in.files[frame.Pos.Filename()]; ok {
			callers = append(callers, plan.Caller{Position: toPosition(frame.Pos), Function: frame.Name})
		}
	}
	if len(callers) < 2 {
		return nil
	}
	return slices.Clip(callers[:len(callers)-1]) // The last one is the place of the instruction itself.
}

// tree reads a file or folder once per interpretation.
func (in *interpreter) tree(file locator.File) (*plan.FileTree, error) {
	if tree := in.trees[file]; tree != nil {
		return tree, nil
	}
	tree, err := file.Tree(in.ctx)
	if err != nil {
		return nil, err
	}
	in.trees[file] = tree
	return tree, nil
}

// finish is what stands between giving up on code that does not stop and answering.
const finish = 2 * time.Second

// guarded runs an interpretation within its limits. Code that is stuck inside a single builtin cannot be interrupted:
// it is left behind, and the answer is given without it.
func (in *interpreter) guarded(run func() error) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer recoverInto(&err, "interpretation")
		if err = run(); err == nil {
			in.programs.keep()
		}
	}()

	timer := time.NewTimer(in.request.Limits.Time)
	defer timer.Stop()
	watch, stopWatching := in.watchMemory()
	defer stopWatching()

	var reason string
	var cause error
	select {
	case err := <-done:
		return err
	case <-in.ctx.Done():
		reason, cause = "the interpretation was cancelled", context.Cause(in.ctx)
	case <-timer.C:
		reason, cause = fmt.Sprintf("the interpretation took longer than %s: look for a loop that does too much, or raise the limit", in.request.Limits.Time), ErrLimit
	case <-watch:
		reason, cause = "the interpretation needed more than "+strconv.FormatInt(in.request.Limits.Memory>>20, 10)+
			" MiB of memory: look for a list or a text that grows without bound, or raise the limit", ErrLimit
	}
	in.stop(reason, cause)
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-time.After(finish):
	}
	return &Error{Phase: PhaseInterpretation, Message: reason, Problems: []Problem{{Message: reason}}, cause: cause}
}
