package engine

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// recordPause is how late a write may come that may come late. A write costs the backend as much as a tenth of a service's
// start, so a plan of many services must not make one for each.
const recordPause = time.Second

// recordStore keeps the record of one run and writes it. Writes that may come a little late are done beside the work
// and joined, so that a plan of many services does not wait for each of them. What may come late is what the next apply
// finds out by itself: which container stands for a service its label tells, and that it is ready is only asked again.
type recordStore struct {
	backend enclave.Backend
	enclave string

	mutex   sync.Mutex
	record  *record
	written []byte // as last written
	dirty   bool
	busy    bool
	// hurry ends the pause of those that wait with what may come late; nil while nobody does.
	hurry   chan struct{}
	failure error
	idle    *sync.Cond
}

func newRecordStore(backend enclave.Backend, name string, initial *record, stored bool) *recordStore {
	store := &recordStore{backend: backend, enclave: name, record: initial}
	store.idle = sync.NewCond(&store.mutex)
	if stored {
		// An error shows again when the record is written.
		store.written, _ = initial.encode()
	}
	return store
}

// change changes the record without writing it.
func (s *recordStore) change(edit func(*record)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	edit(s.record)
	s.dirty = true
}

// later changes the record and has it written soon, beside the work.
func (s *recordStore) later(ctx context.Context, edit func(*record)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	edit(s.record)
	s.dirty = true
	if s.busy {
		return
	}
	s.busy, s.hurry = true, make(chan struct{})
	go s.drain(context.WithoutCancel(ctx), s.hurry)
}

// drain writes after each pause until nothing is left, or until somebody hurries and writes it himself.
func (s *recordStore) drain(ctx context.Context, hurry <-chan struct{}) {
	for paused := true; paused; {
		select {
		case <-hurry:
			paused = false
		case <-time.After(recordPause):
		}
		s.mutex.Lock()
		if paused && s.dirty && s.failure == nil {
			s.writeLocked(ctx)
		}
		if !paused || !s.dirty || s.failure != nil {
			s.busy, s.hurry, paused = false, nil, false
			s.idle.Broadcast()
		}
		s.mutex.Unlock()
	}
}

// writeLocked writes the record as it is; the mutex is free while it does.
func (s *recordStore) writeLocked(ctx context.Context) {
	s.dirty = false
	content, err := s.record.encode()
	if err == nil && !bytes.Equal(content, s.written) {
		s.mutex.Unlock()
		err = s.backend.WriteRecord(ctx, s.enclave, recordName(s.record.Run), content)
		s.mutex.Lock()
		if err == nil {
			s.written = content
		}
	}
	if err != nil {
		s.failure = err
	}
}

// flush returns once everything is written.
func (s *recordStore) flush(ctx context.Context) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for s.busy {
		if s.hurry != nil {
			close(s.hurry)
			s.hurry = nil
		}
		s.idle.Wait()
	}
	s.busy = true
	for s.dirty && s.failure == nil {
		s.writeLocked(ctx)
	}
	s.busy = false
	s.idle.Broadcast()
	failure := s.failure
	// What comes later tries again.
	if failure != nil {
		s.failure, s.dirty = nil, true
	}
	return failure
}

// now changes the record and returns once that is written.
func (s *recordStore) now(ctx context.Context, edit func(*record)) error {
	s.change(edit)
	return s.flush(ctx)
}

// service gives what is recorded of a service, or nil.
func (s *recordStore) service(key string) *serviceRecord {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if found := s.record.Services[key]; found != nil {
		copied := *found
		return &copied
	}
	return nil
}

// step gives what is recorded of a step, or nil. Step records are never changed, only replaced.
func (s *recordStore) step(id string) *stepRecord {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.record.Steps[id]
}

// once gives what is recorded of an instruction that runs only once, or nil.
func (s *recordStore) once(key string) *stepRecord {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.record.Once[key]
}

// verified tells whether a comparison held before.
func (s *recordStore) verified(digest string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Contains(s.record.Verified, digest)
}

// image gives what an image was resolved to, or nil.
func (s *recordStore) image(key string) *imageRecord {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.record.Images[key]
}
