package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// applyStep is the step that stands for a whole run, lockStep the wait for another apply.
const (
	applyStep = "apply"
	lockStep  = "lock"
)

// teller tells a person what an engine does.
type teller interface {
	// tell takes one event, close ends the display. Nothing is told after that.
	tell(event engine.Event)
	close()
}

// silence tells nothing.
type silence struct{}

func (silence) tell(engine.Event) {}
func (silence) close()            {}

// progress writes what an engine does as plain lines, one for each beginning and each end.
type progress struct {
	to io.Writer

	mutex  sync.Mutex
	begins map[string]time.Time
}

func newProgress(to io.Writer) *progress {
	return &progress{to: to, begins: map[string]time.Time{}}
}

func (p *progress) tell(event engine.Event) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if event.Step == applyStep {
		return // The command itself says how it ended.
	}
	took := tookSince(p.begins, stepKey(&event), &event)
	fmt.Fprintln(p.to, progressLine(event, took))
}

func (p *progress) close() {}

// stepKey names the step that an event begins or ends.
func stepKey(event *engine.Event) string {
	return strings.Join([]string{event.Step, event.Object}, "\x00")
}

// tookSince notes when a step began, and tells at its end how long it has taken; zero where that is not known.
func tookSince(begins map[string]time.Time, key string, event *engine.Event) time.Duration {
	switch event.Status {
	case "started":
		if _, again := begins[key]; !again || event.Step != lockStep {
			begins[key] = event.Time
		}
		return 0
	case "progress":
		return 0
	}
	begin, known := begins[key]
	if !known {
		return 0
	}
	delete(begins, key)
	return event.Time.Sub(begin)
}

// progressLine is one event in words. Took is zero where it is not known.
func progressLine(event engine.Event, took time.Duration) string {
	text := event.Step + " " + event.Object
	switch {
	case event.Step == lockStep && event.Status == "started":
		text = fmt.Sprintf("waiting for the run %q", event.Object)
	case event.Status == "started":
		text += " ..."
	case event.Status == "progress":
	default:
		text += " " + event.Status
		if took > 0 {
			text += fmt.Sprintf(" (%.1fs)", took.Seconds())
		}
	}
	return text + messageText(event.Message)
}

// messageText is an event's message as the end of a line. What a failure says in full is the error's.
func messageText(message string) string {
	message, _, more := strings.Cut(message, "\n")
	if message == "" {
		return ""
	}
	if more {
		message += " [...]"
	}
	return ": " + message
}
