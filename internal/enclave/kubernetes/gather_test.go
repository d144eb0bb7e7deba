package kubernetes

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestQuestionsAreAskedOnceForAll(t *testing.T) {
	t.Parallel()
	var all gathers[[]string]
	var asked atomic.Int64
	first, release := make(chan struct{}), make(chan struct{})
	ask := func(_ context.Context, about []string) ([]string, error) {
		if asked.Add(1) == 1 {
			close(first)
			<-release
		}
		return about, nil
	}
	var group sync.WaitGroup
	tell := func(about string) {
		group.Go(func() {
			answer, err := all.in("e").ask(t.Context(), about, ask)
			if err != nil || !slices.Contains(answer, about) {
				t.Errorf("%s: %v, %v", about, answer, err)
			}
		})
	}
	tell("first")
	<-first
	const callers = 50
	for range callers / 2 {
		tell("a")
		tell("b")
	}
	// All of them are to wait before the first answer comes.
	for waits := 0; waits < 2; {
		of := all.in("e")
		of.mutex.Lock()
		if of.waiting != nil {
			waits = len(of.waiting.about)
		}
		of.mutex.Unlock()
	}
	close(release)
	group.Wait()
	if got := asked.Load(); got > callers/2 {
		t.Errorf("%d callers at the same time asked %d times", callers+1, got)
	}
}

func TestACallerThatGoesEndsNobodysQuestion(t *testing.T) {
	t.Parallel()
	var one gather[string]
	gone, cancel := context.WithCancel(t.Context())
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ask := func(ctx context.Context, _ []string) (string, error) {
		once.Do(func() { close(begun) })
		<-release
		return "told", ctx.Err()
	}
	left := make(chan error, 1)
	go func() {
		_, err := one.ask(gone, "x", ask)
		left <- err
	}()
	<-begun
	stayed := make(chan error, 1)
	go func() {
		_, err := one.ask(t.Context(), "x", ask)
		stayed <- err
	}()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left was told %v", err)
	}
	close(release)
	if err := <-stayed; err != nil {
		t.Errorf("who stayed was told %v", err)
	}
}
