package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// writtenRecords is a backend that only keeps what is written.
type writtenRecords struct {
	enclave.Backend

	mutex   sync.Mutex
	writes  []string
	failing error
}

func (w *writtenRecords) WriteRecord(_ context.Context, _, _ string, content []byte) error {
	time.Sleep(50 * time.Millisecond)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.failing != nil {
		return w.failing
	}
	w.writes = append(w.writes, string(content))
	return nil
}

func (w *writtenRecords) last(t *testing.T) *record {
	t.Helper()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.writes) == 0 {
		t.Fatal("nothing was written")
	}
	var read record
	if err := json.Unmarshal([]byte(w.writes[len(w.writes)-1]), &read); err != nil {
		t.Fatal(err)
	}
	return &read
}

func note(i int) func(*record) {
	return func(r *record) { r.Intents[fmt.Sprintf("s%d", i)] = "digest" }
}

func TestLateWritesAreJoined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backend := &writtenRecords{}
		store := newRecordStore(backend, testEnclave, newRecord(testRun, testOwner, time.Now()), false)
		for i := range 100 {
			store.later(t.Context(), note(i))
			time.Sleep(30 * time.Millisecond) // three seconds in all
		}
		time.Sleep(2 * recordPause)
		if got := len(backend.writes); got < 3 || got > 4 {
			t.Errorf("there were %d writes, want about one a second", got)
		}
		if got := len(backend.last(t).Intents); got != 100 {
			t.Errorf("%d changes were written in the end, want all 100", got)
		}
	})
}

// What must not come late does not wait for what may, and takes it along.
func TestWritesThatMustNotComeLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backend := &writtenRecords{}
		store := newRecordStore(backend, testEnclave, newRecord(testRun, testOwner, time.Now()), false)
		store.later(t.Context(), note(1))
		started := time.Now()
		if err := store.now(t.Context(), note(2)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took > recordPause/2 {
			t.Errorf("it took %s", took)
		}
		if got := backend.last(t); len(got.Intents) != 2 || len(backend.writes) != 1 {
			t.Errorf("%d writes, the last one with %v", len(backend.writes), got.Intents)
		}
		// A late write that is under way already is waited for, and so is one that several hurry.
		store.later(t.Context(), note(3))
		time.Sleep(recordPause + 10*time.Millisecond)
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() {
				if err := store.now(t.Context(), note(4+i)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := len(backend.last(t).Intents); got != 6 {
			t.Errorf("%d changes are written, want 6", got)
		}
	})
}

func TestLateWritesThatFailAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backend := &writtenRecords{failing: errors.New("the engine is away")}
		store := newRecordStore(backend, testEnclave, newRecord(testRun, testOwner, time.Now()), false)
		store.later(t.Context(), note(1))
		time.Sleep(2 * recordPause)
		if err := store.flush(t.Context()); !errors.Is(err, backend.failing) {
			t.Errorf("got %v, want the failure", err)
		}
		backend.failing = nil
		if err := store.flush(t.Context()); err != nil || len(backend.last(t).Intents) != 1 {
			t.Errorf("the next attempt gives %v", err)
		}
	})
}
