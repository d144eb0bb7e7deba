package kubernetes

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// gatherTime bounds a question that is asked for several callers, none of whom can end it alone.
const gatherTime = time.Minute

// gather asks one question for all callers who come while another one is being asked. What a caller is told was asked for
// after it came, so it is as fresh as if it had asked itself; and however many ask at the same time, the API server is asked
// once or twice. The zero value is ready.
type gather[V any] struct {
	mutex   sync.Mutex
	asking  bool
	waiting *question[V]
}

// question is what those who wait will be told.
type question[V any] struct {
	about  map[string]bool
	done   chan struct{}
	answer V
	err    error
}

// ask gives the answer about one thing, perhaps among others. The function asks about all of them.
func (g *gather[V]) ask(ctx context.Context, about string, ask func(ctx context.Context, about []string) (V, error)) (V, error) {
	g.mutex.Lock()
	if g.waiting == nil {
		g.waiting = &question[V]{about: map[string]bool{}, done: make(chan struct{})}
	}
	mine := g.waiting
	mine.about[about] = true
	if !g.asking {
		g.asking = true
		go g.work(context.WithoutCancel(ctx), ask)
	}
	g.mutex.Unlock()
	select {
	case <-mine.done:
		return mine.answer, mine.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// work asks until nobody waits.
func (g *gather[V]) work(ctx context.Context, ask func(ctx context.Context, about []string) (V, error)) {
	for {
		g.mutex.Lock()
		next := g.waiting
		g.waiting = nil
		g.asking = next != nil
		g.mutex.Unlock()
		if next == nil {
			return
		}
		bounded, cancel := context.WithTimeout(ctx, gatherTime)
		next.answer, next.err = ask(bounded, slices.Sorted(maps.Keys(next.about)))
		cancel()
		close(next.done)
	}
}

// gathers are those of one kind of question, one for each enclave.
type gathers[V any] struct {
	mutex sync.Mutex
	of    map[string]*gather[V]
}

func (g *gathers[V]) in(enclave string) *gather[V] {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.of == nil {
		g.of = map[string]*gather[V]{}
	}
	if g.of[enclave] == nil {
		g.of[enclave] = &gather[V]{}
	}
	return g.of[enclave]
}
