package lockholder

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
)

// Holds are the locks that a backend holds, or tries to get. A lock of its own that is not among them was left behind: the
// engine was away when it was to be released, or its answer was lost when it was taken. As the process is alive, nobody
// else could tell. The zero value is ready.
type Holds struct {
	mutex sync.Mutex
	// backend begins the names of all holds of one backend; a process may have several.
	backend string
	counter int
	current map[string]bool
}

// Begin gives a new hold its name.
func (h *Holds) Begin() string {
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

// End tells that something is not held any more.
func (h *Holds) End(name string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.current, name)
}

// Lost tells whether a lock, on which this stands as its holder's process, is one of this backend's that it does not hold
// any more.
func (h *Holds) Lost(text string) bool {
	var process Process
	if err := json.Unmarshal([]byte(text), &process); err != nil {
		return false
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	backend, _, _ := strings.Cut(process.Hold, ".")
	return h.backend != "" && backend == h.backend && !h.current[process.Hold]
}
