package docker

import (
	"context"
	"sync"
	"time"
)

// sharedTime bounds a question that several callers wait for, as it outlives the one who asked first.
const sharedTime = 2 * time.Minute

// shared lets callers who ask the same at the same time share one answer. Every answer was asked for after its caller
// came, so nobody gets one that is older than his question; nothing is kept for later ones. Its zero value is ready.
//
// Each service of a plan looks at all containers before and after its own is made. By itself that grows with the square
// of the plan.
type shared[T any] struct {
	mutex sync.Mutex
	// next is the question that is not asked yet.
	next *question[T]
	busy bool
}

type question[T any] struct {
	done   chan struct{}
	answer T
	err    error
}

// ask gives an answer to a question that begins from now on. What is answered is shared, so it must not be changed.
func (s *shared[T]) ask(ctx context.Context, answer func(context.Context) (T, error)) (T, error) {
	s.mutex.Lock()
	if s.next == nil {
		s.next = &question[T]{done: make(chan struct{})}
	}
	asked := s.next
	if !s.busy {
		s.busy = true
		go s.work(context.WithoutCancel(ctx), answer)
	}
	s.mutex.Unlock()
	select {
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	case <-asked.done:
		return asked.answer, asked.err
	}
}

// work answers one question after another until none is left.
func (s *shared[T]) work(ctx context.Context, answer func(context.Context) (T, error)) {
	for {
		s.mutex.Lock()
		asked := s.next
		s.next = nil
		if asked == nil {
			s.busy = false
			s.mutex.Unlock()
			return
		}
		s.mutex.Unlock()
		bounded, cancel := context.WithTimeout(ctx, sharedTime)
		asked.answer, asked.err = answer(bounded)
		cancel()
		close(asked.done)
	}
}
