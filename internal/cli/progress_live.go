package cli

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// liveInterval is how often the display of what is under way is drawn again.
const liveInterval = 100 * time.Millisecond

// spinner shows that something moves.
var spinner = [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// live shows on a terminal what is under way, each step with its time, below the lines of what has ended.
type live struct {
	to       *os.File
	coloured bool
	size     func() enclave.TerminalSize
	now      func() time.Time

	mutex  sync.Mutex
	active []*liveStep
	drawn  int // lines below the last permanent one
	closed bool
	done   chan struct{}
}

// liveStep is a step that is under way.
type liveStep struct {
	key   string
	event engine.Event
	// latest is what it told while under way, such as a line of a build.
	latest string
}

func newLive(to *os.File, coloured bool) *live {
	l := &live{to: to, coloured: coloured, size: func() enclave.TerminalSize { return sizeOf(to) }, now: time.Now, done: make(chan struct{})}
	go l.animate()
	return l
}

func (l *live) animate() {
	ticker := time.NewTicker(liveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-ticker.C:
			l.mutex.Lock()
			if !l.closed && len(l.active) > 0 {
				l.draw("")
			}
			l.mutex.Unlock()
		}
	}
}

func (l *live) tell(event engine.Event) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed || event.Step == applyStep {
		return
	}
	key := stepKey(&event)
	at := slices.IndexFunc(l.active, func(step *liveStep) bool { return step.key == key })
	switch event.Status {
	case "started":
		if at < 0 {
			l.active = append(l.active, &liveStep{key: key, event: event})
		} else {
			l.active[at].event.Message = event.Message
		}
		l.draw("")
		return
	case "progress":
		if at >= 0 {
			l.active[at].latest = event.Message
			l.draw("")
		}
		return
	}
	took := time.Duration(0)
	if at >= 0 {
		took = event.Time.Sub(l.active[at].event.Time)
		if event.Message == "" {
			event.Message = l.active[at].event.Message
		}
		l.active = slices.Delete(l.active, at, at+1)
	}
	l.draw(l.ended(event, took) + "\n")
}

// ended is the line that stays of a step.
func (l *live) ended(event engine.Event, took time.Duration) string {
	mark := l.paint("✓", green)
	if event.Status == "failed" {
		mark = l.paint("✗", red)
	}
	text := fmt.Sprintf("%s %s %s", mark, event.Step, event.Object)
	if took > 0 {
		text += l.paint(fmt.Sprintf(" %.1fs", took.Seconds()), faint)
	}
	return text + l.paint(messageText(event.Message), faint)
}

func (l *live) paint(text string, colour int) string {
	if !l.coloured || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}

// draw replaces the display by one permanent text and what is under way; all in one write, so that nothing flickers.
func (l *live) draw(permanent string) {
	var text strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", l.drawn)
	}
	text.WriteString("\r\x1b[J" + permanent)
	l.drawn = 0
	size := l.size()
	most := 8
	if size.Height > 0 {
		most = max(1, min(most, size.Height-2))
	}
	for i, step := range l.active {
		if i == most-1 && len(l.active) > most {
			fmt.Fprintf(&text, "  and %d more\n", len(l.active)-i)
			l.drawn++
			break
		}
		text.WriteString(l.underway(step, size.Width) + "\n")
		l.drawn++
	}
	_, _ = l.to.WriteString(text.String()) // Progress never fails a command.
}

func (l *live) underway(step *liveStep, width int) string {
	now := l.now()
	frame := spinner[int(now.UnixMilli()/liveInterval.Milliseconds())%len(spinner)]
	what := step.event.Step + " " + step.event.Object
	if step.event.Step == lockStep {
		what = fmt.Sprintf("waiting for the run %q", step.event.Object)
	}
	text := fmt.Sprintf("%s %s %.1fs%s", frame, what, max(0, now.Sub(step.event.Time).Seconds()), messageText(cmp.Or(step.latest, step.event.Message)))
	if runes := []rune(text); width > 1 && len(runes) >= width {
		text = string(runes[:width-1]) // A line that wraps would be two to erase.
	}
	return l.paint(text, faint)
}

// close takes the display away; the lines of what has ended stay.
func (l *live) close() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed {
		return
	}
	l.active = nil
	l.draw("")
	l.closed = true
	close(l.done)
}
