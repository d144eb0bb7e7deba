package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// tally counts the runs of one kind of disturbance in one phase.
type tally struct{ runs, byCall, converged, needless, left int }

// report gathers what came of all runs.
type report struct {
	writer io.Writer
	seed   uint64
	replay string // the command that replays
	flags  string // what else is needed for that
	begun  time.Time

	runs   int // disturbances that struck
	missed int // those that came too late
	rounds int
	// lostPorts counts the enclaves in which the engine lost host ports when it was killed.
	lostPorts int
	// lostStates counts how often a CLI that was killed had lost its own state file.
	lostStates int
	tallies    map[string]*[phases]tally
	failures   []string
}

// add notes one disturbed phase.
func (r *report) add(l *life, phase int, d *disturbance, found *result) {
	name := fmt.Sprintf("%s, %s", l.face.name, l.world.label(d.kind))
	if !found.struck {
		r.missed++
	} else {
		r.runs++
		if r.tallies[name] == nil {
			r.tallies[name] = &[phases]tally{}
		}
		count := &r.tallies[name][phase]
		count.runs++
		for counted, holds := range map[*int]bool{
			&count.byCall: d.byCall, &count.converged: found.failed == nil, &count.needless: found.needless != nil, &count.left: found.left != nil,
		} {
			if holds {
				*counted++
			}
		}
	}
	verdict := "good"
	if !found.good() {
		verdict = "FAILED"
		failure := fmt.Sprintf("round %d (%s), %s, %s: %v\nreplay: %s -seed %d -replay %d%s",
			l.number, l.face.name, phaseNames[phase], d, found.err(), r.replay, r.seed, l.number, r.flags)
		r.failures = append(r.failures, failure)
		fmt.Fprintln(r.writer, failure)
	}
	fmt.Fprintf(r.writer, "%4d s  round %d  %-9s %-7s %s: %s (struck: %t)\n", int(time.Since(r.begun).Seconds()), l.number, l.face.name, phaseNames[phase], d, verdict, found.struck)
}

// write writes the table.
func (r *report) write() {
	table := tabwriter.NewWriter(r.writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nDISTURBANCE\tPHASE\tRUNS\tOF THEM AT A CALL\tCONVERGED\tNEEDLESS TOUCHES\tLEFTOVERS")
	var all tally
	for _, name := range slices.Sorted(maps.Keys(r.tallies)) {
		for phase, count := range r.tallies[name] {
			if count.runs == 0 {
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\n", name, phaseNames[phase], count.runs, count.byCall, count.converged, count.needless, count.left)
			all = tally{all.runs + count.runs, all.byCall + count.byCall, all.converged + count.converged, all.needless + count.needless, all.left + count.left}
		}
	}
	fmt.Fprintf(table, "all\t\t%d\t%d\t%d\t%d\t%d\n", all.runs, all.byCall, all.converged, all.needless, all.left)
	_ = table.Flush() // To a terminal or a log.
	fmt.Fprintf(r.writer, "\n%d runs in %d enclaves, %d failed; %d more came too late to disturb anything; seed %d; %s in all\n",
		r.runs, r.rounds, len(r.failures), r.missed, r.seed, time.Since(r.begun).Round(time.Second))
	if r.lostPorts > 0 {
		fmt.Fprintf(r.writer, "In %d enclaves the engine had lost host ports by its end, so others were taken.\n", r.lostPorts)
	}
	if r.lostStates > 0 {
		fmt.Fprintf(r.writer, "%d times a CLI that was killed had lost its own state file, in whose place its backup was put.\n", r.lostStates)
	}
}
