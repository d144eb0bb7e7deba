package docker

import (
	"bytes"
	"io"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// execStreams is where the output of one command goes.
type execStreams struct {
	// head keeps the first bytes in any case: they tell whether the command was run at all.
	head *prefixWriter
	// text is what the result gives where the caller takes no stream.
	text           *bytes.Buffer
	stdout, stderr *heldWriter
}

func newExecStreams(request enclave.ExecRequest) *execStreams {
	streams := &execStreams{head: &prefixWriter{limit: 1024}, text: &bytes.Buffer{}}
	stdout, stderr := request.Stdout, request.Stderr
	switch {
	case stdout != nil || stderr != nil:
	case request.Output != nil:
		stdout, stderr = request.Output, request.Output
	default:
		stdout, stderr = streams.text, streams.text
	}
	streams.stdout = &heldWriter{head: streams.head, to: stdout}
	streams.stderr = &heldWriter{head: streams.head, to: stderr}
	return streams
}

// release gives out what was held back to the end.
func (s *execStreams) release() error {
	if err := s.stdout.release(); err != nil {
		return err
	}
	return s.stderr.release()
}

// heldWriter passes output on once it is clear that it is the command's: the container runtime writes the reason why a
// command could not be run into the same stream, and that is told as an error.
type heldWriter struct {
	head *prefixWriter
	to   io.Writer // nil drops everything
	held []byte
	open bool
}

func (w *heldWriter) Write(data []byte) (int, error) {
	_, _ = w.head.Write(data) // It never fails.
	if w.open {
		return w.pass(data)
	}
	w.held = append(w.held, data...)
	start := string(w.held[:min(len(w.held), len(runtimeFailure))])
	if strings.HasPrefix(runtimeFailure, start) {
		return len(data), nil
	}
	return len(data), w.release()
}

func (w *heldWriter) release() error {
	held := w.held
	w.held, w.open = nil, true
	if len(held) == 0 {
		return nil
	}
	_, err := w.pass(held)
	return err
}

func (w *heldWriter) pass(data []byte) (int, error) {
	if w.to == nil {
		return len(data), nil
	}
	return w.to.Write(data)
}

// prefixWriter keeps the beginning of what is written.
type prefixWriter struct {
	bytes.Buffer
	limit int
}

func (w *prefixWriter) Write(data []byte) (int, error) {
	if room := w.limit - w.Len(); room > 0 {
		w.Buffer.Write(data[:min(room, len(data))])
	}
	return len(data), nil
}
