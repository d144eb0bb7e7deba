package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// logWriter writes the lines of logs, those of several services with their names.
type logWriter struct {
	to                                     io.Writer
	asJSON, coloured, prefixed, timestamps bool

	mutex sync.Mutex
	names []string
	width int
}

// logLine is one line as programs read it.
type logLine struct {
	Time    *time.Time `json:"time"`
	Service string     `json:"service"`
	Line    string     `json:"line"`
}

// isBare tells that lines are written without anything before them.
func (w *logWriter) isBare() bool { return !w.asJSON && !w.timestamps }

// isPlain tells that a log is written as it is.
func (w *logWriter) isPlain() bool { return w.isBare() && !w.prefixed }

// know tells which services there are, so that their names stand in one column, each in a colour of its own.
func (w *logWriter) know(names ...string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, name := range names {
		if !slices.Contains(w.names, name) {
			w.names = append(w.names, name)
			w.width = max(w.width, len(name))
		}
	}
}

// write writes one line. A line without an end gets one where another service's may follow.
func (w *logWriter) write(service string, at time.Time, line string) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.asJSON {
		document := logLine{Service: service, Line: strings.TrimRight(line, "\r\n")}
		if !at.IsZero() {
			document.Time = &at
		}
		encoder := json.NewEncoder(w.to)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(document)
	}
	prefix := ""
	if w.prefixed {
		prefix = fmt.Sprintf("%-*s | ", w.width, service)
		if w.coloured {
			// Six colours of the palette, black and white left out.
			prefix = fmt.Sprintf("\x1b[%dm%s\x1b[0m", 31+(slices.Index(w.names, service)+5)%6, prefix)
		}
		line = strings.TrimRight(line, "\r\n") + "\n"
	}
	if w.timestamps && !at.IsZero() {
		prefix += at.UTC().Format(time.RFC3339Nano) + " "
	}
	_, err := io.WriteString(w.to, prefix+line)
	return err
}

// cutTime takes the time off that a backend has put before a line; zero where there is none.
func cutTime(text string) (time.Time, string) {
	first, rest, found := strings.Cut(text, " ")
	if !found {
		first, rest = strings.TrimRight(text, "\r\n"), "\n"
	}
	at, err := time.Parse(time.RFC3339Nano, first)
	if err != nil {
		return time.Time{}, text
	}
	return at, rest
}
