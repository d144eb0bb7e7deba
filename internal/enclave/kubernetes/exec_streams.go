package kubernetes

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// cannotRun begins what the agent says of a command that could not be run.
const cannotRun = "sundog agent: cannot run: "

// complaintFilter holds back what begins like a message of the agent's, until it is clear whether it is one.
type complaintFilter struct {
	mutex  sync.Mutex
	target io.Writer
	held   bytes.Buffer
	open   bool
}

// Write implements io.Writer.
func (f *complaintFilter) Write(data []byte) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.open {
		return f.target.Write(data)
	}
	f.held.Write(data)
	if f.isComplaint() {
		return len(data), nil
	}
	f.open = true
	_, err := f.held.WriteTo(f.target)
	return len(data), err
}

// isComplaint tells whether what is held is the agent's message, or may become it.
func (f *complaintFilter) isComplaint() bool {
	text := f.held.String()
	return f.held.Len() < 1<<12 && (strings.HasPrefix(text, cannotRun) || strings.HasPrefix(cannotRun, text))
}

// refusal gives the agent's message, if there is one.
func (f *complaintFilter) refusal() (reason string, refused bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	text := f.held.String()
	if f.open || !strings.HasPrefix(text, cannotRun) {
		return "", false
	}
	return strings.TrimSpace(strings.TrimPrefix(text, cannotRun)), true
}

// flush passes on what was held back and is no message of the agent's.
func (f *complaintFilter) flush() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.held.Len() == 0 {
		return nil
	}
	_, err := f.held.WriteTo(f.target)
	return err
}

// sizes tells a terminal's sizes to the client library, which asks for the next one whenever it has sent one.
type sizes struct {
	first   *remotecommand.TerminalSize
	resizes <-chan enclave.TerminalSize
}

func newSizes(terminal *enclave.Terminal) *sizes {
	queue := &sizes{resizes: terminal.Resizes}
	if terminal.Size != (enclave.TerminalSize{}) {
		queue.first = sizeOf(terminal.Size)
	}
	return queue
}

func sizeOf(size enclave.TerminalSize) *remotecommand.TerminalSize {
	const most = 1<<16 - 1
	return &remotecommand.TerminalSize{Width: uint16(min(max(size.Width, 0), most)), Height: uint16(min(max(size.Height, 0), most))}
}

// Next implements remotecommand.TerminalSizeQueue; nil ends it.
func (s *sizes) Next() *remotecommand.TerminalSize {
	if first := s.first; first != nil {
		s.first = nil
		return first
	}
	if s.resizes == nil {
		return nil
	}
	size, more := <-s.resizes
	if !more {
		return nil
	}
	return sizeOf(size)
}
