package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// unaffected are the services that an update from level 1 to level 2 has no business with.
var unaffected = []string{"b", "db", "job", "paused", "side"}

// life is one round under way.
type life struct {
	*chaos
	round
	face  *face
	known *reference
	// struck counts the disturbances of this enclave so far.
	struck int
	// groups are the process groups of disturbed steps.
	groups []int
	// lostPorts tells that the engine has lost host ports.
	lostPorts bool
}

// live carries one round out and notes what came of it.
func (c *chaos) live(ctx context.Context, r round) error {
	if err := c.world.ready(ctx, r); err != nil {
		return err
	}
	l := &life{chaos: c, round: r, face: c.faces[r.face], known: c.known[r.face]}
	for phase, disturb := range []func(context.Context, *disturbance) *result{l.create, l.update, l.destroy} {
		d := r.disturbances[phase]
		found := disturb(ctx, d)
		if err := ctx.Err(); err != nil {
			return err
		}
		if d != nil {
			c.report.add(l, phase, d, found)
		}
		if d == nil && !found.good() {
			return fmt.Errorf("round %d, %s: %w", r.number, phaseNames[phase], found.err())
		}
		if !found.good() {
			return l.cleanUp(ctx)
		}
	}
	return nil
}

// result is what came of one disturbed phase.
type result struct {
	struck bool
	// failed is anything that went wrong other than the two below.
	failed error
	// needless are services that were touched without need, left what destroy has left behind.
	needless, left error
}

func (r *result) err() error { return errors.Join(r.failed, r.needless, r.left) }
func (r *result) good() bool { return r.err() == nil }

func (l *life) create(ctx context.Context, d *disturbance) *result {
	return l.bring(ctx, phaseCreate, d, nil)
}

func (l *life) update(ctx context.Context, d *disturbance) *result {
	before, err := l.world.observe(ctx)
	if err != nil {
		return &result{failed: err}
	}
	return l.bring(ctx, phaseUpdate, d, before)
}

// bring has an apply disturbed and another one, which nobody disturbs, after it; then all must be as if nothing had been.
func (l *life) bring(ctx context.Context, phase int, d *disturbance, before *state) *result {
	r := &result{}
	healed, err := l.disturbed(ctx, phase, d, r)
	if err != nil || r.failed != nil {
		r.failed = errors.Join(r.failed, err)
		return r
	}
	if r.struck {
		if healed, err = l.undisturbed(ctx, l.face, phase, levels[phase]); err != nil {
			r.failed = fmt.Errorf("the next apply: %w", err)
			return r
		}
	}
	r.failed = l.compare(ctx, phase, healed)
	if before != nil {
		struck := kind("")
		if r.struck {
			struck = d.kind
		}
		r.needless = l.untouched(ctx, before, struck)
	}
	if r.failed == nil {
		r.failed = l.nobodyLeft()
	}
	return r
}

// disturbed carries one phase out under a disturbance.
func (l *life) disturbed(ctx context.Context, phase int, d *disturbance, r *result) (*outcome, error) {
	done, err := l.step(ctx, l.face, phase, levels[phase], l.known.usual[phase], d)
	if err != nil {
		return nil, err
	}
	r.struck = done.struck
	l.groups = append(l.groups, done.job.groups()...)
	switch {
	case errors.Is(done.failure, errHangs):
		r.failed = fmt.Errorf("it hangs\n%s", done.job.complaint())
	case done.failure != nil && !done.struck:
		r.failed = fmt.Errorf("it failed although nobody disturbed it: %w\n%s", done.failure, done.job.complaint())
	}
	if !done.struck {
		return done, nil
	}
	l.struck++
	restored, err := l.face.restoreState()
	if restored {
		l.report.lostStates++
	}
	return done, err
}

// compare holds what is there to what undisturbed steps lead to.
func (l *life) compare(ctx context.Context, phase int, healed *outcome) error {
	got, err := l.world.observe(ctx)
	if err != nil {
		return err
	}
	failures := []error{l.alike(ctx, phase, got, healed), checkLogs(l.known.states[phase].logs, got.logs, l.struck)}
	if l.number%4 == phase {
		left, err := l.face.settled(ctx, levels[phase])
		failures = append(failures, err)
		if left != "" && !l.lostPorts {
			failures = append(failures, fmt.Errorf("yet another apply would still do something: %s", left))
		}
	}
	return errors.Join(failures...)
}

// alike compares objects and outputs.
func (l *life) alike(ctx context.Context, phase int, got *state, healed *outcome) error {
	want, have := l.known.states[phase].facts, got.facts
	wantOutputs := l.known.outputs[phase]
	outputs, err := l.face.outputs(ctx, healed.job.printed())
	if err != nil {
		return err
	}
	if l.struck > 0 && !l.lostPorts && l.world.lost() {
		l.lostPorts = true
		l.report.lostPorts++
	}
	if l.lostPorts {
		want, have = withoutHostPorts(want), withoutHostPorts(have)
		wantOutputs, outputs = hostPorts.ReplaceAllString(wantOutputs, "PORT"), hostPorts.ReplaceAllString(outputs, "PORT")
	}
	var failures []error
	if lines := difference(want, have); len(lines) > 0 {
		failures = append(failures, errors.New("it is not as after undisturbed steps:\n"+strings.Join(lines, "\n")))
	}
	if outputs != wantOutputs {
		failures = append(failures, fmt.Errorf("the outputs are %s, want %s", outputs, wantOutputs))
	}
	return errors.Join(failures...)
}

// untouched holds that the services that an update has no business with are the same containers as before it, started
// when they were, unless the disturbance itself has ended them.
func (l *life) untouched(ctx context.Context, before *state, struck kind) error {
	after, err := l.world.observe(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, name := range unaffected {
		was, is := before.services[name], after.services[name]
		replaced, started := l.world.excuses(struck, name)
		switch {
		case was.id != is.id && !replaced:
			failures = append(failures, fmt.Errorf("service %s was replaced", name))
		case was.started != is.started && !started:
			failures = append(failures, fmt.Errorf("service %s was started again", name))
		}
	}
	return errors.Join(failures...)
}

// destroy has a destroy disturbed. Then another one must leave nothing; or an apply must heal what was half destroyed,
// and a destroy after it leave nothing.
func (l *life) destroy(ctx context.Context, d *disturbance) *result {
	r := &result{}
	_, err := l.disturbed(ctx, phaseDestroy, d, r)
	if err != nil || r.failed != nil {
		r.failed = errors.Join(r.failed, err)
		return r
	}
	if r.struck && l.again {
		healed, err := l.undisturbed(ctx, l.face, phaseCreate, levels[phaseCreate])
		if err != nil {
			r.failed = fmt.Errorf("the next apply: %w", err)
			return r
		}
		if r.failed = l.compareRevived(ctx, healed); r.failed != nil {
			return r
		}
	}
	if r.struck {
		if _, err := l.undisturbed(ctx, l.face, phaseDestroy, ""); err != nil {
			r.failed = fmt.Errorf("the next destroy: %w", err)
			return r
		}
	}
	// A provider that has outlived its CLI may still be removing things; what the engine lists meanwhile may be gone already.
	nobody := l.nobodyLeft()
	r.left = errors.Join(l.nothingLeft(ctx), nobody)
	return r
}

// compareRevived compares without what was left in persistent directories: how much of it had been destroyed nobody can
// know. But every instruction must have left its line.
func (l *life) compareRevived(ctx context.Context, healed *outcome) error {
	got, err := l.world.observe(ctx)
	if err != nil {
		return err
	}
	failures := []error{l.alike(ctx, phaseCreate, got, healed)}
	for name, lines := range l.known.states[phaseCreate].logs {
		for _, line := range lines {
			if !slices.Contains(got.logs[name], line) {
				failures = append(failures, fmt.Errorf("imperative instructions left the lines %v: %q is missing", got.logs[name], line))
			}
		}
	}
	return errors.Join(failures...)
}

// patience is how long a provider may outlive its CLI: it gives up what it was doing, and tidies up, for which each backend gives
// itself up to 30 seconds at a time.
const patience = 45 * time.Second

// nobodyLeft looks for processes that have outlived the disturbed steps.
func (l *life) nobodyLeft() error {
	deadline := time.Now().Add(patience)
	for {
		var left []string
		for _, item := range processes() {
			if slices.Contains(l.groups, item.group) {
				left = append(left, fmt.Sprintf("process %d, %s", item.pid, item.command))
			}
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still running: %s", strings.Join(left, "; "))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// cleanUp removes what a failed round has left, so that the next one begins with nothing.
func (l *life) cleanUp(ctx context.Context) error {
	for _, group := range l.groups {
		_ = syscall.Kill(-group, syscall.SIGKILL) // Most are gone.
	}
	objects, err := l.world.leftovers(ctx)
	if err != nil {
		return err
	}
	return errors.Join(l.world.remove(ctx, objects), l.face.forget())
}
