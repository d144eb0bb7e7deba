package forker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/fault"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/rewrite"
)

// findingFailed is the kind of finding of a resource that could not be made as planned.
const findingFailed = "failed"

// settleTime bounds the recording of what holds at the end of an apply.
const settleTime = 30 * time.Second

// Apply brings a fork to what a plan says. What fails for one resource is a finding of that resource, and the rest goes
// on; the error then names them all. The result is not nil, also with an error, when the fork's record is there.
//
// It can be stopped anywhere and called again: what is about to be made is recorded before, and what is found is adopted
// if it carries the fork's tags.
func (f *Forker) Apply(ctx context.Context, plan *Plan, runner Runner) (*Result, error) {
	if err := CheckName(plan.Fork); err != nil {
		return nil, err
	}
	if err := errors.Join(f.needProduction(), f.needSandbox()); err != nil {
		return nil, err
	}
	if err := errors.Join(f.production.Check(ctx), f.sandbox.Check(ctx)); err != nil {
		return nil, err
	}
	f.event(plan.Fork, "", "record", "started", "")
	record, err := f.openRecord(ctx, plan.Fork)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &applying{
		forker: f, plan: plan, runner: runner, record: record, abort: cancel,
		index: rewrite.NewIndex(), reads: map[string]read{}, fresh: map[string]fresh{}, problems: map[string]error{},
		findings: map[string][]Finding{}, states: map[string]ContainerState{}, logins: map[string]map[string]descriptor.Login{},
		writers: map[place2]map[string]descriptor.KindWriter{},
	}
	a.rewriter = rewrite.NewRewriter(a.index, f.accounts())
	a.run(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, fault.ErrStopped) {
		return nil, cause
	}
	return a.result(ctx)
}

// place2 is a service in a region of the sandbox.
type place2 struct{ service, region string }

// fresh is what was read of production for a resource and prepared for writing.
type fresh struct {
	config any    // masked
	digest string // of production's configuration
}

// applying is one apply.
type applying struct {
	forker   *Forker
	plan     *Plan
	runner   Runner
	record   *record
	abort    context.CancelCauseFunc
	index    *rewrite.Index
	rewriter *rewrite.Rewriter

	mutex    sync.Mutex
	reads    map[string]read
	fresh    map[string]fresh
	problems map[string]error
	findings map[string][]Finding
	logins   map[string]map[string]descriptor.Login
	states   map[string]ContainerState
	writers  map[place2]map[string]descriptor.KindWriter
	// runnerProblem is what the runner could not do for the containers as a whole.
	runnerProblem error
}

// run goes through the steps. Each leaves a consistent record.
func (a *applying) run(ctx context.Context) {
	a.readProduction(ctx)
	a.retireChanged(ctx)
	a.knowCounterparts(ctx)
	a.layers(ctx, func(kind descriptor.KindTraits) int { return kind.Layer }, a.shell)
	a.layers(ctx, wireLayer, a.wire)
	a.containers(ctx)
	a.removeForgotten(ctx)
}

func wireLayer(kind descriptor.KindTraits) int {
	if kind.WireLayer != 0 {
		return kind.WireLayer
	}
	return kind.Layer
}

// layers runs a step for every resource that gets a copy, layer by layer, many at a time within one.
func (a *applying) layers(ctx context.Context, layerOf func(descriptor.KindTraits) int, step func(context.Context, string) error) {
	byLayer := map[int][]string{}
	for _, key := range slices.Sorted(maps.Keys(a.plan.Resources)) {
		planned := a.plan.Resources[key]
		if planned.Strategy != Clone && planned.Strategy != Stub {
			continue
		}
		kind, known := a.forker.catalog.Kind(planned.Resource.Service, planned.Resource.Type)
		if known {
			byLayer[layerOf(kind)] = append(byLayer[layerOf(kind)], key)
		}
	}
	for _, layer := range slices.Sorted(maps.Keys(byLayer)) {
		each(ctx, a.forker.options.Parallelism, byLayer[layer], func(key string) {
			if a.problem(key) != nil || ctx.Err() != nil {
				return
			}
			if err := step(ctx, key); err != nil {
				a.fail(ctx, key, err)
			}
		})
	}
}

// point is a place at which a test may stop the apply.
func (a *applying) point(ctx context.Context, step, key string) error {
	err := fault.Point(ctx, step+" "+key)
	if err != nil {
		a.abort(err)
	}
	return err
}

func (a *applying) problem(key string) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.problems[key]
}

// fail keeps what went wrong with a resource, and records it.
func (a *applying) fail(ctx context.Context, key string, err error) {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stopped before it was done: %w", err)
	}
	a.mutex.Lock()
	first := a.problems[key] == nil
	if first {
		a.problems[key] = err
	}
	a.mutex.Unlock()
	if !first {
		return
	}
	a.forker.event(a.plan.Fork, key, "apply", "failed", err.Error())
}

// tolerated tells whether the resource's rule says to go without it when it fails.
func (a *applying) tolerated(key string) bool {
	rule := a.plan.rule(key)
	return rule != nil && rule.OnError == onErrorSkip
}

func (a *applying) find(key string, findings ...Finding) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for _, finding := range findings {
		finding.Key = key
		if !slices.Contains(a.findings[key], finding) {
			a.findings[key] = append(a.findings[key], finding)
		}
	}
}

func (a *applying) findNotes(key string, notes []descriptor.Note) {
	for _, note := range notes {
		a.find(key, Finding{Kind: note.Kind, Severity: note.Severity, Message: note.Message})
	}
}

// login keeps a user of a stand-in that some configuration logs in as.
func (a *applying) keepLogins(logins []rewrite.Login) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for _, login := range logins {
		if login.User == "" {
			continue
		}
		if a.logins[login.Key] == nil {
			a.logins[login.Key] = map[string]descriptor.Login{}
		}
		known := a.logins[login.Key][login.User]
		known.User = login.User
		// Of several databases the first in order is taken, whatever came first.
		if known.Database == "" || login.Database != "" && login.Database < known.Database {
			known.Database = login.Database
		}
		known.Password = a.password(login.Key, login.User)
		a.logins[login.Key][login.User] = known
	}
}

// password of a user of a stand-in: the same in every apply, and never stored.
func (a *applying) password(key, user string) string {
	return a.record.derive("password\x00" + key + "\x00" + user)
}

// result tells what holds now, and joins what went wrong.
func (a *applying) result(ctx context.Context) (*Result, error) {
	var failures []error
	for _, key := range slices.Sorted(maps.Keys(a.problems)) {
		err := a.problems[key]
		severity := "error"
		if a.tolerated(key) {
			severity = "warning"
		} else {
			failures = append(failures, fmt.Errorf("%s: %w", key, err))
		}
		a.find(key, Finding{Kind: findingFailed, Severity: severity, Message: err.Error()})
	}
	if a.runnerProblem != nil {
		failures = append(failures, a.runnerProblem)
	}
	// What holds now is recorded also when the apply was stopped.
	settled, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	for _, key := range slices.Sorted(maps.Keys(a.plan.Resources)) {
		if err := a.settle(settled, key); err != nil {
			failures = append(failures, err)
		}
	}
	if ctx.Err() != nil {
		failures = append(failures, fmt.Errorf("the fork %q was not finished: %w", a.plan.Fork, context.Cause(ctx)))
	}
	result := a.forker.resultOf(a.record, a.states, nil)
	if a.runnerProblem != nil || ctx.Err() != nil {
		result.Status = statusPartial
	}
	return result, errors.Join(failures...)
}

// settle records the findings and the problem of a resource as they are at the end.
func (a *applying) settle(ctx context.Context, key string) error {
	one, recorded := a.record.get(key)
	planned := a.plan.Resources[key]
	if !recorded || one.Phase == phaseNone || one.Container && planned.Strategy != Substitute {
		one = entry{
			Key: key, Service: planned.Resource.Service, Type: planned.Resource.Type, SourceName: planned.Resource.Name,
			SourceARN: planned.Resource.ARN, Strategy: planned.Strategy, Phase: phaseNone, SourceDigest: planned.Resource.Digest,
		}
	}
	one.Reason = planned.Reason
	one.Problem = ""
	if err := a.problem(key); err != nil {
		one.Problem = firstLine(err.Error())
	}
	one.Findings = a.findings[key]
	return a.record.put(ctx, one)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
