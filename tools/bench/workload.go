package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// workload is what all peers are asked for: so many services of one image, each with one environment variable.
type workload struct {
	services int
	// version is the value of the variable of service 0; all others have "0".
	version int
}

func serviceName(i int) string { return fmt.Sprintf("s%d", i) }

func (w workload) value(i int) string {
	if i == 0 {
		return strconv.Itoa(w.version)
	}
	return "0"
}

// peer is one way to bring an environment to a workload. Each call is timed as a whole.
type peer interface {
	// prepare makes what is not part of any measurement, in a folder of its own.
	prepare(ctx context.Context, folder string) error
	// apply brings the environment to the workload; it is the same call for creation, no-op, change and removal.
	apply(ctx context.Context, w workload) error
	destroy(ctx context.Context) error
}

// The operations, in the order in which they are carried out and reported.
const (
	opCreate  = "create"
	opNoop    = "no-op"
	opChange  = "change one"
	opRemove  = "remove one"
	opDestroy = "destroy"
	// Two operations of their own.
	opSequence = "add one after another, each with a port wait"
	opEmpty    = "apply of one empty resource"
)

var lifecycle = []string{opCreate, opNoop, opChange, opRemove, opDestroy}

// samples are durations by operation.
type samples map[string][]time.Duration

func (s samples) add(operation string, work func() error) error {
	started := time.Now()
	if err := work(); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	s[operation] = append(s[operation], time.Since(started))
	return nil
}

// cycle takes one peer through all operations. Short operations are repeated, the ends are not. Before is called
// before each of them.
func cycle(ctx context.Context, p peer, folder string, services, repeat int, into samples, before func(operation string) error) (err error) {
	if err := p.prepare(ctx, folder); err != nil {
		return fmt.Errorf("prepare in %s: %w", filepath.Base(folder), err)
	}
	w := workload{services: services}
	step := func(operation string, work func() error) {
		if err == nil {
			err = before(operation)
		}
		if err == nil {
			err = into.add(operation, work)
		}
	}
	apply := func() error { return p.apply(ctx, w) }
	step(opCreate, apply)
	for range repeat {
		step(opNoop, apply)
	}
	for range repeat {
		w.version++
		step(opChange, apply)
	}
	// One service stays: Compose knows no project without any.
	for range min(repeat, services-1) {
		w.services--
		step(opRemove, apply)
	}
	step(opDestroy, func() error { return p.destroy(ctx) })
	return err
}
