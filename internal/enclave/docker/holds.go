package docker

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
)

// holds are the locks that a backend holds, or tries to get. A lock of its own that is not among them was left behind: the
// engine was away when it was to be released, or its answer was lost when it was taken. As the process is alive, nobody
// else could tell. The zero value is ready.
type holds struct {
	mutex sync.Mutex
	// backend begins the names of all holds of one backend; a process may have several.
	backend string
	counter int
	current map[string]bool
}

// begin gives a new hold its name.
func (h *holds) begin() string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.current == nil {
		h.backend, h.current = rand.Text(), map[string]bool{}
	}
	h.counter++
	name := h.backend + "." + strconv.Itoa(h.counter)
	h.current[name] = true
	return name
}

func (h *holds) end(name string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.current, name)
}

// lost tells whether a lock is one of this backend's that it does not hold any more.
func (h *holds) lost(labels map[string]string) bool {
	var process processIdentity
	if err := json.Unmarshal([]byte(labels[labelHolderProcess]), &process); err != nil {
		return false
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	backend, _, _ := strings.Cut(process.Hold, ".")
	return h.backend != "" && backend == h.backend && !h.current[process.Hold]
}
