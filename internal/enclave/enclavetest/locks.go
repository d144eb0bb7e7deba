package enclavetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var lockBehaviours = []behaviour{
	{name: "lock is held by one at a time", test: func(f *fixture) {
		name := f.enclave()
		var inside, most atomic.Int32
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				unlock, err := f.backend.Lock(f.ctx, name, "run/shop", "a goroutine")
				if err != nil {
					f.Error(err)
					return
				}
				defer unlock()
				now := inside.Add(1)
				most.Store(max(most.Load(), now))
				time.Sleep(20 * time.Millisecond)
				inside.Add(-1)
			})
		}
		group.Wait()
		equal(f, "holders at the same time", most.Load(), 1)
	}},
	{name: "lock that is held names its holder", test: func(f *fixture) {
		name := f.enclave()
		unlock, err := f.backend.Lock(f.ctx, name, "run/shop", "the apply of anna")
		f.must(err)
		defer unlock()
		ctx, cancel := context.WithTimeout(f.ctx, 3*time.Second)
		defer cancel()
		_, err = f.backend.Lock(ctx, name, "run/shop", "the apply of bert")
		var locked *enclave.LockedError
		if !errors.As(err, &locked) {
			f.Fatalf("got error %v, want a LockedError", err)
		}
		equal(f, "holder", locked.Holder, "the apply of anna")
		equal(f, "name", locked.Name, "run/shop")
		equal(f, "enclave", locked.Enclave, name)
		f.is(err, context.DeadlineExceeded)
		if time.Since(locked.Since).Abs() > time.Minute {
			f.Errorf("held since %s, want now", locked.Since)
		}
		holder, since, err := f.backend.LockHolder(f.ctx, name, "run/shop")
		f.must(err)
		equal(f, "holder, asked for", holder, "the apply of anna")
		if time.Since(since).Abs() > time.Minute {
			f.Errorf("held since %s, want now", since)
		}
		_, _, err = f.backend.LockHolder(f.ctx, name, "run/other")
		f.is(err, enclave.ErrNotFound)
		other, err := f.backend.Lock(f.ctx, name, "run/other", "the apply of bert")
		f.must(err)
		other()
		unlock()
		_, _, err = f.backend.LockHolder(f.ctx, name, "run/shop")
		f.is(err, enclave.ErrNotFound)
	}},
	{name: "lock is released once, and after its context has ended", test: func(f *fixture) {
		name := f.enclave()
		ctx, cancel := context.WithCancel(f.ctx)
		unlock, err := f.backend.Lock(ctx, name, "l", "first")
		f.must(err)
		cancel()
		unlock()
		second, err := f.backend.Lock(f.ctx, name, "l", "second")
		f.must(err)
		defer second()
		// Releasing it twice must not release what somebody else holds by now.
		unlock()
		short, cancel := context.WithTimeout(f.ctx, 3*time.Second)
		defer cancel()
		_, err = f.backend.Lock(short, name, "l", "third")
		var locked *enclave.LockedError
		if !errors.As(err, &locked) || locked.Holder != "second" {
			f.Errorf("got error %v, want one that names the second holder", err)
		}
	}},
	{name: "lock passes to who waits for it", test: func(f *fixture) {
		name := f.enclave()
		unlock, err := f.backend.Lock(f.ctx, name, "l", "first")
		f.must(err)
		got := make(chan error, 1)
		go func() {
			second, err := f.backend.Lock(f.ctx, name, "l", "second")
			if err == nil {
				second()
			}
			got <- err
		}()
		select {
		case <-got:
			f.Error("the second one did not wait")
		case <-time.After(200 * time.Millisecond):
		}
		unlock()
		f.must(<-got)
	}},
}
