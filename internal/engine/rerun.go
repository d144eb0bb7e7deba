package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// RerunAll asks for all imperative instructions of a plan again, apart from those that run only once.
const RerunAll = "all"

// demands are what was asked for from outside of the plan, beyond what changed.
type demands struct {
	all bool
	// steps to carry out again, by ID, and services to make anew, by name.
	steps, services map[string]bool
	trigger         string
}

// demandsOf finds what a request's names stand for.
func demandsOf(request Request, order *itinerary) (*demands, error) {
	asked := &demands{steps: map[string]bool{}, services: map[string]bool{}, trigger: request.Trigger}
	for _, name := range request.Recreate {
		if order.last[name] == nil {
			return nil, fmt.Errorf("service %q cannot be made anew: the plan does not add it; it adds %s", name, firstOf(sortedKeys(order.last)))
		}
		asked.services[name] = true
	}
	for _, name := range request.Rerun {
		if name == RerunAll {
			asked.all = true
			continue
		}
		found := false
		for i := range request.Plan.Instructions {
			instruction := &request.Plan.Instructions[i]
			if id := stepID(instruction.Operation); id != "" && slices.Contains(stepNames(instruction), name) {
				asked.steps[id], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("nothing in the plan that could run again is called %q: give %q, a service, or one of %s", name, RerunAll, firstOf(stepIDsOf(request.Plan)))
		}
	}
	return asked, nil
}

// stepNames are what an imperative instruction may be called by: its ID, the service or task that it is about, or its
// place in the package.
func stepNames(instruction *plan.Instruction) []string {
	names := []string{stepID(instruction.Operation)}
	if service := serviceOf(instruction.Operation); service != "" {
		names = append(names, service)
	}
	if task, ok := instruction.Operation.(*plan.RunTask); ok {
		names = append(names, task.Name)
	}
	if at := instruction.Position; at.File != "" {
		names = append(names, at.String(), fmt.Sprintf("%s:%d", at.File, at.Line))
	}
	return names
}

func stepIDsOf(p *plan.Plan) []string {
	ids := map[string]bool{}
	for i := range p.Instructions {
		if id := stepID(p.Instructions[i].Operation); id != "" {
			ids[id] = true
		}
	}
	return sortedKeys(ids)
}

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

// wanted tells whether an instruction is to run although nothing about it changed, and why.
func (d *demands) wanted(s *step, known *stepRecord) (reason string, wanted bool) {
	switch {
	case s.transition:
		return "", false
	case d.steps[s.id]:
		return "it was asked for again", true
	case s.rerun == plan.RerunOnce:
		return "", false
	case d.all:
		return "all were asked for again", true
	case s.rerun == plan.RerunAlways:
		return "it runs in every apply", true
	case d.trigger != "" && known.Trigger != d.trigger:
		return "the triggers changed", true
	default:
		return "", false
	}
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

// maxNames is how many of hundreds of names a message gives.
const maxNames = 12

func firstOf(names []string) string {
	if len(names) <= maxNames {
		return quoted(names)
	}
	return fmt.Sprintf("%s and %d more", quoted(names[:maxNames]), len(names)-maxNames)
}
