package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// chaos is all that the rounds work with.
type chaos struct {
	folder string
	world  world
	wire   *wire
	faces  []*face
	known  []*reference // by face
	report *report
}

// outcome is how one step ended.
type outcome struct {
	job     *job
	measure measure
	struck  bool
	// failure is why the commands failed; after a strike they may.
	failure error
}

// step carries one phase out, disturbed or not. An error is a failure of ours.
func (c *chaos) step(ctx context.Context, f *face, phase int, level string, usual measure, d *disturbance) (*outcome, error) {
	var commands []*exec.Cmd
	var err error
	if phase == phaseDestroy {
		commands = f.destroy(ctx)
	} else if commands, err = f.apply(ctx, level); err != nil {
		return nil, err
	}
	done := &outcome{}
	var hit *strike
	begun := make(chan struct{})
	c.wire.arm(nil)
	if d != nil {
		hit = &strike{chaos: c, kind: d.kind}
		c.wire.arm(d.aim(usual, func() {
			<-begun
			hit.do(ctx, done.job)
		}))
	}
	if done.job, err = begin(c.folder, commands); err != nil {
		return nil, err
	}
	close(begun)
	done.failure = done.job.wait()
	var first time.Time
	if done.measure.calls, first = c.wire.counted(); !first.IsZero() {
		done.measure.took = time.Since(first)
	}
	c.wire.arm(nil)
	if hit != nil {
		done.struck, err = hit.result()
	}
	return done, err
}

// undisturbed carries one phase out that must succeed.
func (c *chaos) undisturbed(ctx context.Context, f *face, phase int, level string) (*outcome, error) {
	done, err := c.step(ctx, f, phase, level, measure{}, nil)
	if err == nil && done.failure != nil {
		err = fmt.Errorf("it failed although nobody disturbed it: %w\n%s", done.failure, done.job.complaint())
	}
	return done, err
}

// reference is what undisturbed steps of a face lead to.
type reference struct {
	states  [phases]*state // after create and update
	outputs [phases]string
	usual   [phases]measure
}

// levels are what the phases apply.
var levels = [phases]string{"1", "2", "1"}

// learn finds out what undisturbed steps of a face lead to. The first life of an enclave makes what later ones find.
func (c *chaos) learn(ctx context.Context, f *face) (*reference, error) {
	known := &reference{}
	for phase := range phases {
		done, err := c.undisturbed(ctx, f, phase, levels[phase])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", phaseNames[phase], err)
		}
		known.usual[phase] = done.measure
		if phase == phaseDestroy {
			break
		}
		if known.states[phase], err = c.world.observe(ctx); err != nil {
			return nil, err
		}
		if known.outputs[phase], err = f.outputs(ctx, done.job.printed()); err != nil {
			return nil, err
		}
		left, err := f.settled(ctx, levels[phase])
		if err != nil {
			return nil, err
		}
		if left != "" {
			return nil, fmt.Errorf("%s: another apply would still do something: %s", phaseNames[phase], left)
		}
	}
	if err := c.nothingLeft(ctx); err != nil {
		return nil, fmt.Errorf("destroy: %w", err)
	}
	return known, nil
}

// nothingLeft looks for objects that Sundog has left, with its label or without any.
func (c *chaos) nothingLeft(ctx context.Context) error {
	objects, err := c.world.leftovers(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, item := range objects {
		failures = append(failures, fmt.Errorf("left: %s %s (role %q)", item.kind, item.name, item.labels["sundog.dev/role"]))
	}
	return errors.Join(failures...)
}
