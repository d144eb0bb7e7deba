package forker

import (
	"context"
	"sync"
)

// each runs a function for every element, at most limit at the same time, and waits for all. Elements whose turn comes
// after the context has ended are not run.
func each[T any](ctx context.Context, limit int, elements []T, run func(T)) {
	slots := make(chan struct{}, max(1, limit))
	var group sync.WaitGroup
	for _, element := range elements {
		select {
		case <-ctx.Done():
		case slots <- struct{}{}:
			group.Go(func() {
				defer func() { <-slots }()
				run(element)
			})
			continue
		}
		break
	}
	group.Wait()
}
