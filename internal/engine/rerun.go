package engine

import (
	"fmt"
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

// maxNames is how many of hundreds of names a message gives.
const maxNames = 12

func firstOf(names []string) string {
	if len(names) <= maxNames {
		return quoted(names)
	}
	return fmt.Sprintf("%s and %d more", quoted(names[:maxNames]), len(names)-maxNames)
}
