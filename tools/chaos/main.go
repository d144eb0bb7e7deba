// Chaos kills what applies, updates and destroys an enclave, and the engine below it, at many moments, and holds what is
// there after the next apply to what there is when nobody disturbs it. It looks at the engine by itself, and imports nothing
// of Sundog's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// programs are what is tested, and what it runs.
type programs struct{ sundog, provider, witness string }

// options are how chaos was called.
type options struct {
	backend        string
	cluster        clusterOptions
	programs       programs
	folder, cgroup string
	clis           string
	runs           int
	seed           uint64
	replay         int
	every          string
}

func main() {
	var o options
	flag.StringVar(&o.backend, "backend", "docker", "docker or kubernetes")
	flag.StringVar(&o.cluster.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster, whose processes run on this machine")
	flag.StringVar(&o.cluster.state, "cluster-state", "", "folder of the cluster, which stands in the command lines of its processes")
	flag.StringVar(&o.cluster.load, "load", "", "command that brings an image archive into the cluster's node")
	flag.StringVar(&o.folder, "folder", "", "folder to work in, which is empty")
	flag.StringVar(&o.cgroup, "cgroup", "sundog-chaos", "control group of all containers")
	flag.StringVar(&o.programs.sundog, "sundog", "", "the companion command")
	flag.StringVar(&o.programs.provider, "provider", "", "the provider")
	flag.StringVar(&o.programs.witness, "witness", "", "the program of the services")
	flag.StringVar(&o.clis, "clis", "", "CLIs to test with beside the companion command, as paths joined by commas; none: without")
	flag.IntVar(&o.runs, "runs", 200, "how many disturbances; every one is followed by an apply or a destroy that nobody disturbs")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64N(1_000_000), "decides the moments; equal seeds give equal rounds") //nolint:gosec // It is no secret.
	flag.IntVar(&o.replay, "replay", -1, "do only the round of this number")
	flag.StringVar(&o.every, "every", "", "create, update or destroy: kill the companion command before and after every single call of this phase that changes something")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// start sets everything up.
func (o *options) start(ctx context.Context) (*chaos, error) {
	c := &chaos{
		folder: o.folder,
		report: &report{writer: os.Stdout, seed: o.seed, begun: time.Now(), tallies: map[string]*[phases]tally{}},
	}
	if o.backend == "kubernetes" {
		made, err := newKubernetesWorld(o.folder, o.cluster)
		if err != nil {
			return c, err
		}
		c.world, c.report.replay = made, "tools/chaos/run-kubernetes"
	} else {
		c.world, c.report.replay = newDockerWorld(o.folder, o.cgroup), "tools/chaos/run"
	}
	c.wire = c.world.wire()
	if err := c.world.begin(ctx, o.programs.witness); err != nil {
		return c, err
	}
	clis := []string{""}
	if o.clis != "" {
		clis = append(clis, strings.Split(o.clis, ",")...)
	}
	for i, cli := range clis {
		made, err := newFace(ctx, filepath.Join(o.folder, fmt.Sprintf("face-%d", i)), cli, o.programs, c.world)
		if err != nil {
			return c, err
		}
		known, err := c.learn(ctx, made)
		if err != nil {
			return c, fmt.Errorf("%s, undisturbed: %w", made.name, err)
		}
		fmt.Printf("%s, undisturbed: create %d calls that change something in %s, update %d in %s, destroy %d in %s\n", made.name,
			known.usual[phaseCreate].calls, known.usual[phaseCreate].took.Round(time.Millisecond), known.usual[phaseUpdate].calls, known.usual[phaseUpdate].took.Round(time.Millisecond),
			known.usual[phaseDestroy].calls, known.usual[phaseDestroy].took.Round(time.Millisecond))
		c.faces, c.known = append(c.faces, made), append(c.known, known)
	}
	return c, nil
}

func (o *options) run(ctx context.Context) (err error) {
	c, err := o.start(ctx)
	defer func() {
		if c.world != nil {
			err = errors.Join(err, c.world.end())
		}
	}()
	if err != nil {
		return err
	}
	err = o.rounds(ctx, c)
	c.report.write()
	for _, failure := range c.report.failures {
		fmt.Println("\nFAILED:", failure)
	}
	if err == nil && len(c.report.failures) > 0 {
		err = fmt.Errorf("%d of %d runs failed", len(c.report.failures), c.report.runs)
	}
	return err
}

// rounds does the rounds that were asked for.
func (o *options) rounds(ctx context.Context, c *chaos) error {
	var chosen []round
	switch {
	case o.every != "":
		c.report.flags = " -every " + o.every
		phase, err := phaseOf(o.every)
		if err != nil {
			return err
		}
		chosen = everyCall(phase, c.known[0].usual[phase].calls)
		if o.replay >= 0 && o.replay < len(chosen) {
			chosen = chosen[o.replay : o.replay+1]
		}
	case o.replay >= 0:
		chosen = []round{plan(o.seed, o.replay, len(c.faces), c.world.kinds())}
	default:
		for number := 0; c.report.runs < o.runs; number++ {
			c.report.rounds++
			if err := c.live(ctx, plan(o.seed, number, len(c.faces), c.world.kinds())); err != nil {
				return err
			}
		}
	}
	for _, one := range chosen {
		c.report.rounds++
		if err := c.live(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func phaseOf(name string) (int, error) {
	for phase, known := range phaseNames {
		if known == name {
			return phase, nil
		}
	}
	return 0, fmt.Errorf("-every: %q is none of create, update and destroy", name)
}
