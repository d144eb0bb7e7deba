package docker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An answer must not be older than its question, and those who wait share one.
func TestSharedAnswersAreNotOlderThanTheirQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var questions shared[int]
		var state, asked atomic.Int64
		answer := func(context.Context) (int, error) {
			asked.Add(1)
			seen := int(state.Load())
			time.Sleep(time.Second)
			return seen, nil
		}
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				now := int(state.Add(1))
				got, err := questions.ask(t.Context(), answer)
				if err != nil || got < now {
					t.Errorf("got %d, %v, although it was %d when it was asked", got, err, now)
				}
			})
		}
		callers.Wait()
		if count := asked.Load(); count != 2 {
			t.Errorf("asked %d times, want twice: once for the first one and once for all who came meanwhile", count)
		}
	})
}

func TestSharedQuestionsEndWithTheirCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var questions shared[int]
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := questions.ask(ctx, func(ctx context.Context) (int, error) {
			time.Sleep(time.Minute)
			return 1, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that the caller's time is over", err)
		}
		// The next one is answered all the same, and the question of one who left disturbs nobody.
		got, err := questions.ask(t.Context(), func(context.Context) (int, error) { return 2, nil })
		if err != nil || got != 2 && got != 1 {
			t.Errorf("got %d, %v", got, err)
		}
		synctest.Wait()
	})
}
