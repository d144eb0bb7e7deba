package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// progress writes what an engine does as plain lines, one for each beginning and each end.
type progress struct {
	to io.Writer

	mutex  sync.Mutex
	begins map[string]time.Time
}

func newProgress(to io.Writer) *progress {
	return &progress{to: to, begins: map[string]time.Time{}}
}

// tell writes one event.
func (p *progress) tell(event engine.Event) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	took := tookSince(p.begins, strings.Join([]string{event.Step, event.Object}, "\x00"), &event)
	fmt.Fprintln(p.to, progressLine(event, took))
}

// tookSince notes when a step began, and tells at its end how long it has taken; zero where that is not known.
func tookSince(begins map[string]time.Time, key string, event *engine.Event) time.Duration {
	switch event.Status {
	case "started":
		begins[key] = event.Time
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
	switch event.Status {
	case "started":
		text += " ..."
	case "progress":
	default:
		text += " " + event.Status
		if took > 0 {
			text += fmt.Sprintf(" (%.1fs)", took.Seconds())
		}
	}
	// What a failure says in full is the error's; a line stays a line.
	message, _, more := strings.Cut(event.Message, "\n")
	if message == "" {
		return text
	}
	if more {
		message += " [...]"
	}
	return text + ": " + message
}
