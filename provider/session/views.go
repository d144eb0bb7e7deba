package session

import (
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// views are the runs that a refresh has looked at. A plan follows its refresh in the same process, so that it can tell
// what an apply will do without a connection of its own. Nothing that is planned may depend on them: a later process
// has none.
type views struct {
	mutex sync.Mutex
	byRun map[string]*engine.View
}

// Saw keeps what a refresh saw of a run; nil forgets it.
func (s *Session) Saw(id string, view *engine.View) {
	s.views.mutex.Lock()
	defer s.views.mutex.Unlock()
	if view == nil {
		delete(s.views.byRun, id)
		return
	}
	if s.views.byRun == nil {
		s.views.byRun = map[string]*engine.View{}
	}
	s.views.byRun[id] = view
}

// Seen gives what a refresh in this process saw of a run, or nil.
func (s *Session) Seen(id string) *engine.View {
	s.views.mutex.Lock()
	defer s.views.mutex.Unlock()
	return s.views.byRun[id]
}
