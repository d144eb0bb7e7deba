// Command bench measures Sundog beside a lower bound and Docker Compose: the same image, the same containers, in turns,
// in one run. What counts are the ratios; a busy machine makes everything slower, the peers alike.
//
// It knows nothing of Sundog's insides: it runs the command and the provider as anybody would.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are what the command line says.
type settings struct {
	backend                      string
	sundog, compose, tofu, probe string
	kubectl, helm, load          string
	state                        string
	rounds                       rounds
	peers                        map[string]bool
	sequence, sequenceRounds     int
	repeat                       int
	count                        bool
	size                         size
}

// round says how often an environment of one size is made.
type round struct{ services, times int }

type rounds []round

// String implements flag.Value.
func (r *rounds) String() string {
	var parts []string
	for _, item := range *r {
		parts = append(parts, fmt.Sprintf("%d:%d", item.services, item.times))
	}
	return strings.Join(parts, ",")
}

// Set implements flag.Value: SERVICES:TIMES, joined by commas.
func (r *rounds) Set(text string) error {
	*r = nil
	for part := range strings.SplitSeq(text, ",") {
		services, times, found := strings.Cut(part, ":")
		if !found {
			times = "1"
		}
		item := round{}
		var err error
		if item.services, err = strconv.Atoi(services); err == nil {
			item.times, err = strconv.Atoi(times)
		}
		if err != nil || item.services < 1 || item.times < 0 {
			return fmt.Errorf("%q is not SERVICES:TIMES, for example 50:3", part)
		}
		*r = append(*r, item)
	}
	return nil
}

// The peers, in the order of the report.
const (
	peerBare    = "bound"
	peerCompose = "compose"
	peerEngine  = "sundog"
	peerTofu    = "tofu"
	// On Kubernetes.
	peerKubectl = "kubectl"
	peerHelm    = "helm"
)

// The backends that can be measured.
const (
	backendDocker     = "docker"
	backendKubernetes = "kubernetes"
)

func parse(arguments []string) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.backend, "backend", backendDocker, "docker or kubernetes; the cluster is the one that KUBECONFIG names")
	flags.StringVar(&s.kubectl, "kubectl", "", "kubectl's binary")
	flags.StringVar(&s.helm, "helm", "", "Helm's binary")
	flags.StringVar(&s.load, "load", "", "command that brings an image archive into the cluster's nodes")
	flags.StringVar(&s.sundog, "sundog", "", "Sundog's binary")
	flags.StringVar(&s.compose, "compose", "", "Docker Compose's binary")
	flags.StringVar(&s.tofu, "tofu", "", "OpenTofu's or Terraform's binary")
	flags.StringVar(&s.probe, "probe", "", "the static program that the services run")
	flags.StringVar(&s.state, "state", "", "folder for what is made meanwhile, and for the report")
	flags.Var(&s.rounds, "sizes", "how many services, and how often each, as SERVICES:TIMES joined by commas; 0 times only counts (default as the backend has it)")
	peers := flags.String("peers", "", "who is measured, joined by commas; all by default")
	flags.IntVar(&s.sequence, "sequence", 50, "services of the package that adds them one after another; 0 leaves it out")
	flags.IntVar(&s.sequenceRounds, "sequence-rounds", 2, "how often")
	flags.Var(&s.size, "scale", "fill a cluster of pretended pods with that many enclaves, as ENCLAVES:SERVICES, and measure one more; nothing else is measured, and what the cluster was filled with stays")
	flags.IntVar(&s.repeat, "repeat", 3, "how often a short operation is done in each round")
	flags.BoolVar(&s.count, "count", true, "count API calls and measure memory, in runs of their own")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is too much: flags are all that it takes", flags.Arg(0))
	}
	if s.backend != backendDocker && s.backend != backendKubernetes {
		return nil, fmt.Errorf("-backend %q: it is docker or kubernetes", s.backend)
	}
	if *peers == "" {
		*peers = strings.Join(s.layout().peers, ",")
	}
	if len(s.rounds) == 0 {
		s.rounds = s.layout().rounds
	}
	s.peers = map[string]bool{}
	for name := range strings.SplitSeq(*peers, ",") {
		s.peers[name] = true
	}
	return s, s.check(*peers)
}

// check finds what is missing before anything is made.
func (s *settings) check(peers string) error {
	known := 0
	for _, name := range s.layout().peers {
		if s.peers[name] {
			known++
		}
	}
	if known != len(s.peers) {
		return fmt.Errorf("-peers %s: they are %s", peers, strings.Join(s.layout().peers, ", "))
	}
	if s.repeat < 1 || s.sequence < 0 || s.sequenceRounds < 1 {
		return errors.New("-repeat and -sequence-rounds are at least 1, -sequence at least 0")
	}
	if s.state == "" {
		return errors.New("-state is missing: a folder for what is made meanwhile, and for the report")
	}
	for _, need := range []struct {
		flag   string
		path   *string
		remedy string
		wanted bool
	}{
		{"sundog", &s.sundog, "make build", s.peers[peerEngine] || s.peers[peerTofu]},
		{"compose", &s.compose, "tools/bench/run builds it", s.peers[peerCompose]},
		{"tofu", &s.tofu, "tools/setup tofu", s.peers[peerTofu]},
		{"kubectl", &s.kubectl, "install kubectl, or the tool that starts clusters, which has one", s.backend == backendKubernetes},
		{"helm", &s.helm, "tools/bench/run-kubernetes builds it", s.peers[peerHelm]},
		{"probe", &s.probe, "tools/bench/run builds it", true},
	} {
		if !need.wanted {
			continue
		}
		if info, err := os.Stat(*need.path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("-%s %q is no program (%s)", need.flag, *need.path, need.remedy)
		}
		var err error
		// The programs are started in folders of their own.
		if *need.path, err = filepath.Abs(*need.path); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// Who interrupts twice does not want to wait for the clean-up.
	context.AfterFunc(ctx, stop)
	s, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err == nil:
		err = run(ctx, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called.
	}
}

// cleanTime bounds the clean-up, which is done also after an interrupt.
const cleanTime = 3 * time.Minute

// stillTime is for how long nothing must turn up after an interrupt.
const stillTime = 5 * time.Second

// run measures everything and writes the report. Whatever happens, it removes what was made.
func run(ctx context.Context, s *settings) (err error) {
	if s.state, err = filepath.Abs(s.state); err != nil {
		return err
	}
	if err := os.MkdirAll(s.state, 0o700); err != nil {
		return err
	}
	unlock, err := lockFolder(s.state)
	if err != nil {
		return err
	}
	defer unlock()
	// What an earlier run of this folder left when it was killed has the same prefix.
	sum := sha256.Sum256([]byte(s.state))
	family := "sundogbench" + hex.EncodeToString(sum[:3]) + "-"
	// Names are new all the same: what the engine cannot let go of must not be in the way.
	b := &bench{settings: s, prefix: family + strconv.FormatInt(time.Now().Unix(), 36) + "-", report: newReport(s)}
	open := b.openEngine
	if s.backend == backendKubernetes {
		open = b.openCluster
	}
	cleanUp, err := open(ctx, family)
	if err != nil {
		return err
	}
	if b.size.enclaves > 0 {
		// Hundreds of namespaces take longer to go than the cluster that they are in.
		cleanUp = func(context.Context, time.Duration) error { return nil }
	}
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		still := time.Duration(0)
		if err != nil {
			say("cleaning up")
			still = stillTime
		}
		err = errors.Join(err, cleanUp(after, still), os.RemoveAll(filepath.Join(s.state, "work")))
	}()
	if b.size.enclaves > 0 {
		return b.scale(ctx)
	}
	if err := b.measure(ctx); err != nil {
		// What was measured until then took its time.
		b.report.Incomplete = true
		return errors.Join(err, b.report.write(s.state))
	}
	return b.report.write(s.state)
}

// cleaner removes what was made. After an interrupt it goes on until nothing has turned up for a while.
type cleaner func(ctx context.Context, still time.Duration) error

// openEngine finds the Docker Engine and makes the image of the services on it.
func (b *bench) openEngine(ctx context.Context, family string) (cleaner, error) {
	socket, err := socketOf(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return nil, err
	}
	b.at, b.api = place{socket: socket}, newAPI(socket)
	if err := b.api.call(ctx, "GET", "/info", nil, nil); err != nil {
		return nil, fmt.Errorf("the Docker Engine at %s does not answer: %w", socket, err)
	}
	if err := clean(ctx, b.api, family, 0); err != nil {
		say("an earlier run left what cannot be removed: %v", err)
	}
	if b.image, err = buildImage(ctx, b.api, b.prefix, b.probe); err != nil {
		return nil, err
	}
	return func(ctx context.Context, still time.Duration) error {
		return errors.Join(clean(ctx, b.api, b.prefix, still), cleanImages(ctx, b.api, b.image))
	}, nil
}

// lockFolder makes sure that only one benchmark runs in a folder; a second one would remove what the first one measures.
func lockFolder(folder string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // the reason is the other one
		return nil, fmt.Errorf("another benchmark runs in %s: wait for it, or give another -state", folder)
	}
	return func() { _ = file.Close() }, nil // closing releases it
}
