package engine

import (
	"fmt"
	"strings"
	"time"
)

// The states of an event.
const (
	eventStarted  = "started"
	eventProgress = "progress"
	eventDone     = "done"
	eventFailed   = "failed"
)

// eventApply is the step that stands for a whole run.
const eventApply = "apply"

// event tells that a step of progress has begun; the function that it gives tells how it ended.
func (x *execution) event(step, object, message string) func(error) {
	x.tell(step, object, eventStarted, message)
	return func(err error) { x.tell(step, object, outcomeOf(err), messageOf(err)) }
}

func outcomeOf(err error) string {
	if err != nil {
		return eventFailed
	}
	return eventDone
}

func messageOf(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func (x *execution) tell(step, object, status, message string) {
	x.engine.events(Event{
		Time: time.Now(), Enclave: x.request.Enclave, Run: x.request.Run,
		Step: step, Object: object, Status: status, Message: x.redact.Replace(message), Position: x.placeOf(step, object),
	})
}

// placeOf finds the instruction that an event is about.
func (x *execution) placeOf(step, object string) string {
	if step == eventApply {
		return ""
	}
	x.places.Do(func() {
		x.positions = map[string]string{}
		for i := range x.plan.Instructions {
			if id := stepID(x.plan.Instructions[i].Operation); id != "" {
				x.positions[id] = x.plan.Instructions[i].Position.String()
			}
		}
		for name, planned := range x.order.last {
			x.positions[name] = x.plan.Instructions[planned.instruction].Position.String()
		}
	})
	return x.positions[object]
}

// tellEnd sums a whole run up.
func (x *execution) tellEnd(result *Result, failure error) {
	if failure != nil {
		x.tell(eventApply, x.request.Run, eventFailed, failure.Error())
		return
	}
	x.tell(eventApply, x.request.Run, eventDone, Summary(result))
}

// Summary says in one line what was done to the services of a run.
func Summary(result *Result) string {
	services := fmt.Sprintf("%d services", len(result.Services))
	if len(result.Services) == 1 {
		services = "1 service"
	}
	var parts []string
	for _, action := range sortedKeys(result.Operations) {
		parts = append(parts, fmt.Sprintf("%s %d", action, result.Operations[action]))
	}
	if len(parts) == 0 {
		return services
	}
	return services + " (" + strings.Join(parts, ", ") + ")"
}
