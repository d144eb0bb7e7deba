package engine

import (
	"fmt"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// plannedService is one addition of a service by a plan. A name may be added again after it was removed.
type plannedService struct {
	// key identifies the addition in the record: the name for the last one, the name and a number for earlier ones.
	key         string
	instruction int
	spec        *plan.ServiceSpec
	force       bool
	fate        fate
	// transition is the last instruction that starts or stops it, or -1.
	transition int
}

// additionMark stands in the keys of additions that are not the last of their name. No service's name has it.
const additionMark = "#"

func isEarlierAddition(key string) bool { return strings.Contains(key, additionMark) }

// itinerary is what can be told of a plan's order without carrying it out.
type itinerary struct {
	// added services by instruction.
	added map[int][]*plannedService
	// targets gives for each instruction the addition that its service refers to; nil for services of other runs.
	targets []*plannedService
	// last addition by name, those that a later instruction removes included.
	last map[string]*plannedService
	// repeated names are added more than once.
	repeated map[string]bool
	// steps names start and stop instructions, which have no ID of their own, by their place.
	steps map[int]string
	// once gives the wording of instructions that run only once.
	once map[int]string
	// checks numbers comparisons, for messages.
	checks map[int]string
}

// itineraryOf follows a plan's services from instruction to instruction.
func itineraryOf(p *plan.Plan) (*itinerary, error) {
	result := &itinerary{
		added: map[int][]*plannedService{}, targets: make([]*plannedService, len(p.Instructions)),
		last: map[string]*plannedService{}, repeated: map[string]bool{}, steps: map[int]string{}, checks: map[int]string{},
	}
	var err error
	if result.once, err = onceContents(p); err != nil {
		return nil, err
	}
	present := map[string]*plannedService{}
	additions, transitions := map[string]int{}, map[string]int{}
	for i := range p.Instructions {
		instruction := &p.Instructions[i]
		if add, ok := instruction.Operation.(*plan.AddServices); ok {
			for j := range add.Services {
				name := add.Services[j].Name
				if present[name] != nil {
					return nil, instructionError(instruction, fmt.Errorf("service %q was added already, at %s: every service of a run needs a name of its own", name, p.Instructions[present[name].instruction].Position))
				}
				planned := &plannedService{key: name, instruction: i, spec: &add.Services[j], force: add.ForceUpdate, fate: fateRunning, transition: -1}
				if earlier := result.last[name]; earlier != nil {
					additions[name]++
					result.repeated[name] = true
					earlier.key = fmt.Sprintf("%s%s%d", name, additionMark, additions[name])
				}
				present[name], result.last[name] = planned, planned
				result.added[i] = append(result.added[i], planned)
			}
			continue
		}
		if _, ok := instruction.Operation.(*plan.Verify); ok {
			result.checks[i] = fmt.Sprintf("verify#%d", len(result.checks)+1)
		}
		name := serviceOf(instruction.Operation)
		if name == "" {
			continue
		}
		planned := present[name]
		result.targets[i] = planned
		if err := result.follow(i, instruction, name, planned, present, transitions); err != nil {
			return nil, instructionError(instruction, err)
		}
	}
	return result, nil
}

// follow notes what an instruction does to the fate of its service.
func (t *itinerary) follow(i int, instruction *plan.Instruction, name string, planned *plannedService, present map[string]*plannedService, transitions map[string]int) error {
	var target fate
	switch instruction.Operation.(type) {
	case *plan.StartService:
		target = fateRunning
	case *plan.StopService:
		target = fateStopped
	case *plan.RemoveService:
		if planned != nil {
			planned.fate = fateRemoved
			delete(present, name)
		}
		return nil
	default:
		if planned == nil && t.last[name] != nil {
			return fmt.Errorf("service %q was removed by an earlier instruction", name)
		}
		return nil
	}
	transitions[name]++
	t.steps[i] = fmt.Sprintf("%s:%s:%d", target, name, transitions[name])
	if planned == nil {
		return nil
	}
	if planned.fate == target {
		return fmt.Errorf("service %q is %s already", name, map[fate]string{fateRunning: "started", fateStopped: "stopped"}[target])
	}
	planned.fate, planned.transition = target, i
	return nil
}

// serviceOf names the one service that an operation works on; empty if there is none.
func serviceOf(operation plan.Operation) string {
	switch operation := operation.(type) {
	case *plan.RemoveService:
		return operation.Service
	case *plan.StartService:
		return operation.Service
	case *plan.StopService:
		return operation.Service
	case *plan.Exec:
		return operation.Service
	case *plan.Request:
		return operation.Service
	case *plan.Wait:
		return operation.Service
	case *plan.StoreServiceFiles:
		return operation.Service
	default:
		return ""
	}
}
