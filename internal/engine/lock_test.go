package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// lockEvents gives status and message of what was told of locks.
func (h *harness) lockEvents() []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var told []string
	for _, event := range h.events {
		if event.Step == eventLock {
			told = append(told, event.Run+" "+event.Status+" "+event.Message)
		}
	}
	return told
}

func TestWhoWaitsForALockTellsWhoHoldsIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("api")))
	if told := h.lockEvents(); len(told) != 0 {
		t.Errorf("nobody waited, and was told %q", told)
	}
	unlock, err := h.backend.Lock(t.Context(), testEnclave, lockOf(testRun), "ann on laptop")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := h.engine.Apply(t.Context(), h.request(planOf(add("api"), add("web"))))
		ended <- err
	}()
	for end := time.Now().Add(10 * time.Second); len(h.lockEvents()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody told that the lock is waited for")
		}
	}
	if told := h.lockEvents(); !strings.HasPrefix(told[0], "shop started held by ann on laptop since ") {
		t.Errorf("%q", told)
	}
	unlock()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if told := h.lockEvents(); len(told) != 2 || told[1] != "shop done " {
		t.Errorf("%q", told)
	}
}

func TestPatienceWithALockHasAnEnd(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	unlock, err := h.backend.Lock(t.Context(), testEnclave, lockOf(testRun), "ann on laptop")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	impatient := New(h.backend, Options{LockPatience: 50 * time.Millisecond})
	_, err = impatient.Apply(t.Context(), h.request(planOf(add("api"))))
	if locked, ok := errors.AsType[*enclave.LockedError](err); !ok || locked.Holder != "ann on laptop" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if changes := h.backend.Changes(); len(changes) != 0 {
		t.Errorf("two applies mix: %v", changes)
	}
}

func TestHolderNamesTheCommandAndNoArguments(t *testing.T) {
	t.Parallel()
	text := New(nil, Options{Command: "sundog run"}).holder("me")
	if !strings.HasPrefix(text, `owner "me", `) || !strings.Contains(text, "(sundog run, process ") || strings.Contains(text, "-test.") {
		t.Errorf("%q", text)
	}
}

func TestRunIsSummedUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("api"), exec("api#1", "api", "migrate")))
	h.mutex.Lock()
	defer h.mutex.Unlock()
	first, last := h.events[0], h.events[len(h.events)-1]
	if first.Step != eventApply || first.Status != eventStarted || last.Step != eventApply || last.Status != eventDone || last.Message != "1 service (create 1)" {
		t.Errorf("%+v, then %+v", first, last)
	}
	for object, position := range map[string]string{"api": "main.star:1:5", "api#1": "main.star:2:5"} {
		if !slices.ContainsFunc(h.events, func(event Event) bool { return event.Object == object && event.Position == position }) {
			t.Errorf("no event of %s tells its place: %+v", object, h.events)
		}
	}
}
