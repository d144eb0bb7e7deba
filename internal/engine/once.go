package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// placeMark stands in a runtime value for the place of its producer among the instructions on a service.
var placeMark = regexp.MustCompile(`(\{\{sundog:[a-zA-Z0-9._-]+#)\d+:`)

// onceContents gives for each instruction that runs only once what it is known by: its wording. Its place does not
// count, since it may move; a second one of the same wording is told apart by its number.
func onceContents(p *plan.Plan) (map[int]string, error) {
	contents, seen := map[int]string{}, map[string]int{}
	for i := range p.Instructions {
		operation, ok := p.Instructions[i].Operation.(plan.Imperative)
		if !ok || operation.RunsAgain() != plan.RerunOnce {
			continue
		}
		text, err := json.Marshal(operation.WithoutPlace())
		if err != nil {
			return nil, instructionError(&p.Instructions[i], fmt.Errorf("describe the instruction: %w", err))
		}
		content := fmt.Sprintf("%T %s", operation, placeMark.ReplaceAllString(string(text), "$1:"))
		seen[content]++
		contents[i] = fmt.Sprintf("%s %d", content, seen[content])
	}
	return contents, nil
}

// remembered gives what is recorded of an instruction that runs only once. One that ran before it was told to run only
// once has run.
func (d *decider) remembered(s *step, wish stepWish) *stepRecord {
	if known := d.once(wish.once); known != nil {
		return known
	}
	if known := d.steps(s.id); known != nil && known.Parts[partArguments] == wish.parts[partArguments] {
		return known
	}
	return nil
}

// onceKey is what an instruction that runs only once is recorded under; empty for all others.
func (d *decider) onceKey(instruction int) (string, error) {
	content, ok := d.itinerary.once[instruction]
	if !ok {
		return "", nil
	}
	return d.digests.of(content)
}

// lastingArguments are what an instruction counts by for those behind it on the same service. One that does not run again
// counts by the arguments with which it ran.
func (d *decider) lastingArguments(s *step, wish stepWish) string {
	if wish.once != "" && !d.demands.steps[s.id] {
		if known := d.remembered(s, wish); known != nil {
			return known.Parts[partArguments]
		}
	}
	return wish.parts[partArguments]
}

// ranOnce gives the record of an instruction that is not to run again, whatever it would be given.
func (d *decider) ranOnce(instruction int, produces []string) *stepRecord {
	key, err := d.onceKey(instruction)
	if err != nil || key == "" {
		return nil
	}
	known := d.once(key)
	if decideOnce(known, produces, d.world.isStored).action != ActionKeep {
		return nil
	}
	return known
}

// afterRemoval is what stays of a run that is removed: that some instructions ran, which are to run only once in the
// enclave, and the files artifacts that they made. It is nil if there is nothing to keep in mind.
func (r *record) afterRemoval() *record {
	if len(r.Once) == 0 {
		return nil
	}
	left := newRecord(r.Run, r.Owner, r.CreatedAt)
	left.Removed, left.Once = true, maps.Clone(r.Once)
	return left
}

// renewed is the record with which a run begins that was removed before.
func (r *record) renewed(owner string) *record {
	begun := newRecord(r.Run, owner, r.CreatedAt)
	begun.Once = maps.Clone(r.Once)
	return begun
}
