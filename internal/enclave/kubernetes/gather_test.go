package kubernetes

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestQuestionsAreAskedOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all gathers[[]string]
		var asked atomic.Int64
		release := make(chan struct{})
		ask := func(_ context.Context, about []string) ([]string, error) {
			if asked.Add(1) == 1 {
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
		synctest.Wait()
		for range 25 {
			tell("a")
			tell("b")
		}
		synctest.Wait() // All of them wait before the first answer comes.
		close(release)
		group.Wait()
		if got := asked.Load(); got != 2 {
			t.Errorf("51 callers, 50 of them while one was asking, asked %d times, want 2", got)
		}
	})
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
