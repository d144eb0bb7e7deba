package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The phases of a round.
const (
	phaseCreate = iota
	phaseUpdate
	phaseDestroy
	phases
)

var phaseNames = [phases]string{"create", "update", "destroy"}

// kind is a way to disturb.
type kind string

// The kinds of disturbances.
const (
	killBoth     kind = "kill command"      // all that runs, as a power cut would
	killFirst    kind = "kill one of two"   // the other command on the same enclave goes on
	killProvider kind = "kill provider"     // the CLI lives and tells
	killCLI      kind = "kill CLI"          // the provider goes on without it
	killAll      kind = "kill CLI+provider" // as a power cut would
	killEngine   kind = "kill engine"       // the Docker daemon, by SIGKILL, and start it again
	restart      kind = "restart engine"    // the Docker daemon, politely
)

// disturbance is one disturbance of one phase.
type disturbance struct {
	kind kind
	// Fraction of the phase at which it comes, counted in calls that change something or in time.
	fraction float64
	byCall   bool
	// call and point are set when byCall; call 0 means that the fraction gives it.
	call  int
	point string
}

func (d disturbance) String() string {
	switch {
	case !d.byCall:
		return fmt.Sprintf("%s at %.0f %% of the time", d.kind, 100*d.fraction)
	case d.call == 0:
		return fmt.Sprintf("%s %s the call at %.0f %%", d.kind, d.point, 100*d.fraction)
	default:
		return fmt.Sprintf("%s %s call %d", d.kind, d.point, d.call)
	}
}

// round is one life of an enclave: create, update, destroy, each disturbed, or not where there is no disturbance.
type round struct {
	number int
	face   int
	// again has a disturbed destroy followed by an apply, not by another destroy.
	again        bool
	disturbances [phases]*disturbance
}

var points = []string{pointBefore, pointDuring, pointAfter}

// plan gives a round by its number alone, so that one can be run again by itself. Moments are spread evenly over the
// phases by the golden ratio, and shifted by the seed.
func plan(seed uint64, number, faces int, of kinds) round {
	random := rand.New(rand.NewPCG(seed, uint64(number))) //nolint:gosec // It is to be the same again.
	shift := rand.New(rand.NewPCG(seed, 0)).Float64()     //nolint:gosec // As above.
	made := round{number: number, again: number%4 == 0}
	// The companion command is the quickest, so most rounds are its own.
	if faces > 1 && number%3 == 2 {
		made.face = 1 + number/3%(faces-1)
	}
	choice := of.command
	if made.face > 0 {
		choice = of.cli
	}
	for phase := range made.disturbances {
		_, fraction := math.Modf(shift + float64(number*phases+phase)*math.Phi)
		made.disturbances[phase] = &disturbance{
			kind: choice[random.IntN(len(choice))], fraction: fraction, byCall: random.IntN(3) > 0, point: points[random.IntN(len(points))],
		}
	}
	return made
}

// everyCall gives rounds that strike the companion command before and after every single call of one phase.
func everyCall(phase, calls int) []round {
	var rounds []round
	for call := 1; call <= calls; call++ {
		for _, point := range []string{pointBefore, pointAfter} {
			made := round{number: len(rounds)}
			made.disturbances[phase] = &disturbance{kind: killBoth, byCall: true, call: call, point: point}
			rounds = append(rounds, made)
		}
	}
	return rounds
}

// measure is how long a phase takes and how many calls it makes when nobody disturbs it.
type measure struct {
	calls int
	took  time.Duration // from the first call that changes something
}

// aim turns a disturbance into what the wire understands.
func (d *disturbance) aim(usual measure, strike func()) *aim {
	switch {
	case !d.byCall:
		return &aim{after: time.Duration(d.fraction * float64(usual.took)), strike: strike}
	case d.call > 0:
		return &aim{call: d.call, point: d.point, strike: strike}
	default:
		return &aim{call: 1 + int(d.fraction*float64(usual.calls)), point: d.point, strike: strike}
	}
}
