package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// bench is one run of the benchmark.
type bench struct {
	*settings
	at     place
	api    *api // of a Docker Engine
	prefix string
	image  string
	report *report
}

// peer makes one way to bring an environment to a workload. Program is nil for a lower bound that is no program.
func (b *bench) peer(name string, at place) (peer, *program) {
	script := batchPackage
	if at.kubeconfig != "" {
		script = portPackage
	}
	switch name {
	case peerKubectl:
		k := &kubectl{binary: b.kubectl, at: at, namespace: b.prefix + "kubectl", image: b.image}
		return k, &k.program
	case peerHelm:
		h := &helm{binary: b.helm, kubectl: b.kubectl, at: at, namespace: b.prefix + "helm", image: b.image}
		return h, &h.program
	case peerBare:
		return &bare{api: newAPI(at.socket), name: b.prefix + "bound", image: b.image}, nil
	case peerCompose:
		c := &compose{binary: b.compose, socket: at.socket, name: b.prefix + "compose", image: b.image}
		return c, &c.program
	case peerEngine:
		e := &engine{binary: b.sundog, at: at, enclave: b.prefix + "engine", image: b.image, script: script}
		return e, &e.program
	default:
		t := &tofu{cli: b.tofu, provider: b.sundog, at: at, enclave: b.prefix + "tofu", image: b.image, script: script}
		return t, &t.program
	}
}

// folder of a peer, new for each round.
func (b *bench) folder(name string) (string, error) {
	folder := filepath.Join(b.state, "work", name)
	return folder, os.RemoveAll(folder)
}

func (b *bench) measure(ctx context.Context) error {
	if err := b.programs(ctx); err != nil {
		return err
	}
	for _, size := range b.rounds {
		for i := range size.times {
			say("%d services, round %d of %d", size.services, i+1, size.times)
			if err := b.round(ctx, size.services, i); err != nil {
				return err
			}
		}
	}
	if b.sequence > 0 && b.backend == backendDocker {
		for i := range b.sequenceRounds {
			say("%d services one after another, round %d of %d", b.sequence, i+1, b.sequenceRounds)
			if err := b.sequenceRound(ctx, i); err != nil {
				return err
			}
		}
	}
	if b.peers[peerTofu] {
		say("one empty resource")
		if err := b.emptyResource(ctx); err != nil {
			return err
		}
	}
	if !b.count {
		return nil
	}
	for _, size := range b.rounds {
		say("%d services, counting calls", size.services)
		if err := b.countRound(ctx, size.services); err != nil {
			return err
		}
	}
	return nil
}

func say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, arguments...)...)
}

// inTurns calls the peers that are measured, beginning with another one in each round: whoever comes first or after
// whom must not matter.
func (b *bench) inTurns(turn int, work func(name string) error) error {
	var names []string
	for _, name := range b.layout().peers {
		if b.peers[name] {
			names = append(names, name)
		}
	}
	for i := range names {
		name := names[(i+turn)%len(names)]
		if err := work(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (b *bench) round(ctx context.Context, services, turn int) error {
	return b.inTurns(turn, func(name string) error {
		folder, err := b.folder(name)
		if err != nil {
			return err
		}
		p, _ := b.peer(name, b.at)
		return cycle(ctx, p, folder, services, b.repeat, b.report.samples(services, name), func(string) error { return nil })
	})
}

// sequenceRound measures services that are added strictly one after another.
func (b *bench) sequenceRound(ctx context.Context, turn int) error {
	return b.inTurns(turn, func(name string) error {
		folder, err := b.folder(name)
		if err != nil {
			return err
		}
		into := b.report.samples(b.sequence, name)
		switch name {
		case peerBare:
			p := &bare{api: b.api, name: b.prefix + "bound", image: b.image, ids: map[string]string{}}
			if err := p.prepareSequence(ctx, b.sequence); err != nil {
				return err
			}
			if err := into.add(opSequence, func() error { return p.sequence(ctx, b.sequence) }); err != nil {
				return err
			}
			return p.destroy(ctx)
		case peerEngine:
			p := &engine{binary: b.sundog, at: b.at, enclave: b.prefix + "engine", image: b.image, script: sequencePackage}
			if err := p.prepare(ctx, folder); err != nil {
				return err
			}
			if err := into.add(opSequence, func() error { return p.apply(ctx, workload{services: b.sequence}) }); err != nil {
				return err
			}
			return p.destroy(ctx)
		default:
			return nil // Compose has no such order, and the provider does what the engine does.
		}
	})
}

// emptyResource measures the floor of an apply with the provider: an enclave with nothing in it, applied once more.
func (b *bench) emptyResource(ctx context.Context) error {
	folder, err := b.folder("empty")
	if err != nil {
		return err
	}
	p := &tofu{cli: b.tofu, provider: b.sundog, at: b.at, enclave: b.prefix + "empty", image: b.image, empty: true}
	if err := p.prepare(ctx, folder); err != nil {
		return err
	}
	if err := p.apply(ctx, workload{}); err != nil {
		return err
	}
	for range 3 * b.repeat {
		if err := b.report.Empty.add(opEmpty, func() error { return p.apply(ctx, workload{}) }); err != nil {
			return err
		}
	}
	return p.destroy(ctx)
}

// countedOfOthers is the size up to which the calls of others are counted, too: beyond it they only take time.
const countedOfOthers = 50

// countRound takes each peer through the operations once more, with the counter in between and an eye on its memory.
func (b *bench) countRound(ctx context.Context, services int) (err error) {
	count, err := newCounter(ctx, b.state, b.at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, count.close()) }()
	return b.inTurns(0, func(name string) error {
		if services > countedOfOthers && name != peerEngine && name != peerTofu {
			return nil
		}
		return b.countPeer(ctx, services, name, count)
	})
}

func (b *bench) countPeer(ctx context.Context, services int, name string, count *counter) error {
	folder, err := b.folder(name)
	if err != nil {
		return err
	}
	p, own := b.peer(name, count.at)
	peak := func() int64 { return 0 }
	if name == peerTofu {
		peak = watchPeak(mirrorOf(folder))
	}
	operation := ""
	note := func(next string) error {
		calls := count.take()
		if operation != "" {
			b.report.count(services, name, operation, calls)
		}
		driven, ok := p.(*tofu)
		if ok && operation == opNoop {
			if err := driven.isEmptyPlan(ctx); err != nil {
				return fmt.Errorf("the plan after an apply is not empty: %w", err)
			}
			count.take()
		}
		operation = next
		return nil
	}
	failure := cycle(ctx, p, folder, services, 1, samples{}, note)
	if failure == nil {
		failure = note("")
	}
	provider := peak()
	if failure != nil {
		return failure
	}
	if own != nil {
		b.report.memory(services, name, own.peak)
	}
	if provider > 0 {
		b.report.memory(services, memoryProvider, provider)
	}
	return nil
}

// memoryProvider is the provider's process below the CLI, in the report.
const memoryProvider = "provider"

// programs measures size and start-up time of the binary, in turns with the smallest Go program.
func (b *bench) programs(ctx context.Context) error {
	if !b.peers[peerEngine] {
		return nil
	}
	info, err := os.Stat(b.sundog)
	if err != nil {
		return err
	}
	b.report.BinaryBytes = info.Size()
	for range 20 {
		for _, command := range []struct {
			name      string
			arguments []string
			into      *[]time.Duration
		}{{b.sundog, []string{"version"}, &b.report.Startup}, {b.probe, []string{"-version"}, &b.report.StartupTrivial}} {
			started := time.Now()
			if output, err := exec.CommandContext(ctx, command.name, command.arguments...).CombinedOutput(); err != nil { //nolint:gosec // As named on the command line.
				return fmt.Errorf("%s: %w\n%s", filepath.Base(command.name), err, output)
			}
			*command.into = append(*command.into, time.Since(started))
		}
	}
	return nil
}
