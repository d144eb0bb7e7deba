package engine

import "time"

// The states of an event.
const (
	eventStarted  = "started"
	eventProgress = "progress"
	eventDone     = "done"
	eventFailed   = "failed"
)

// event tells that a step of progress has begun; the function that it gives tells how it ended.
func (x *execution) event(step, object, message string) func(error) {
	x.tell(step, object, eventStarted, message)
	return func(err error) {
		if err != nil {
			x.tell(step, object, eventFailed, err.Error())
			return
		}
		x.tell(step, object, eventDone, "")
	}
}

func (x *execution) tell(step, object, status, message string) {
	x.engine.events(Event{
		Time: time.Now(), Enclave: x.request.Enclave, Run: x.request.Run,
		Step: step, Object: object, Status: status, Message: x.redact.Replace(message),
	})
}
