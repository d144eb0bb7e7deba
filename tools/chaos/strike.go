package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// strike carries a disturbance out, at most once and only while there is something to disturb.
type strike struct {
	chaos *chaos
	kind  kind

	mutex  sync.Mutex
	over   bool // it is too late, or was done
	struck bool
	err    error
}

// do strikes, and returns when it is done: whoever was killed is dead, and an engine that was ended is there again.
func (s *strike) do(ctx context.Context, target *job) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	select {
	case <-target.ended:
		return
	default:
	}
	if s.over {
		return
	}
	s.over = true
	groups := target.groups()
	switch s.kind {
	case killBoth, killAll:
		s.kill(target, groups, func(process) bool { return true })
	case killFirst:
		s.kill(target, groups[:1], func(process) bool { return true })
	case killProvider:
		s.kill(target, groups, process.isProvider)
	case killCLI:
		s.kill(target, groups, func(p process) bool { return !p.isProvider() })
	default:
		s.struck, s.err = s.chaos.world.strike(ctx, s.kind, target.ended)
	}
}

// kill kills what matches, and waits until it is dead. There may be none yet: a CLI starts the provider more than once.
func (s *strike) kill(target *job, groups []int, match func(process) bool) {
	for !s.struck {
		s.struck = kill(groups, match) > 0
		if s.struck {
			break
		}
		select {
		case <-target.ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for kill(groups, match) > 0 {
		if time.Now().After(deadline) {
			s.err = fmt.Errorf("%s: it does not die", s.kind)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// result waits for a strike under way, holds off a later one, and tells what became of it.
func (s *strike) result() (struck bool, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.over = true
	return s.struck, s.err
}
