package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
)

const (
	// beatInterval is how often the holder of a lock shows that it is alive.
	beatInterval = 5 * time.Second
	// defaultSilence is how long a holder may be silent before its lock is taken over.
	defaultSilence = 30 * time.Second
	// The pauses between two looks at a lock that somebody else holds.
	shortestLook, longestLook = 20 * time.Millisecond, time.Second
)

func lockName(lock string) string { return hashed("lock", lock) }

// Lock implements enclave.Enclaves. A lock is a Lease: it can be made only once, the holder renews it, and it is deleted
// when it is released.
func (b *Backend) Lock(ctx context.Context, name, lock, holder string) (unlock func(), err error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	if err := conn.mustExist(ctx, name); err != nil {
		return nil, fmt.Errorf("lock %q: %w", lock, err)
	}
	process := lockholder.This()
	process.Hold = b.holds.Begin()
	defer func() {
		if unlock == nil {
			b.holds.End(process.Hold)
		}
	}()
	identity, err := json.Marshal(process)
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", lock, err)
	}
	waiter := lockWaiter{conn: conn, enclave: name, lock: lock, silence: b.silence, holds: &b.holds}
	look := shortestLook
	for {
		now := metav1.NowMicro()
		lease, err := create(ctx, conn, leases, namespaceName(name), &coordinationv1.Lease{
			TypeMeta: leases.typeMeta(),
			ObjectMeta: metav1.ObjectMeta{
				Name: lockName(lock), Labels: objectLabels(name, roleLock),
				Annotations: map[string]string{annotationName: lock, annotationHolder: holder, annotationProcess: string(identity)},
			},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new(newGeneration() + newGeneration()), LeaseDurationSeconds: new(int32(b.silence.Seconds())), AcquireTime: &now, RenewTime: &now,
			},
		})
		if err == nil {
			return b.hold(ctx, conn, lease, process.Hold), nil
		}
		if ctx.Err() != nil {
			return nil, waiter.lockedError(ctx)
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("lock %q in enclave %q: %w", lock, name, inEnclave(name, err))
		}
		if err := waiter.look(ctx); err != nil {
			return nil, err
		}
		if pause(ctx, look) != nil {
			return nil, waiter.lockedError(ctx)
		}
		look = min(2*look, longestLook)
	}
}

// lockWaiter watches the holder of a lock.
type lockWaiter struct {
	conn          *connection
	enclave, lock string
	silence       time.Duration
	holds         *lockholder.Holds

	last    *coordinationv1.Lease
	changed time.Time // when last was seen to change, by our own clock
}

// look takes the lock away from a holder that is known to be dead, or that has been silent for too long. Only that the Lease
// changes counts, so clocks need not agree.
func (w *lockWaiter) look(ctx context.Context) error {
	lease, err := get[coordinationv1.Lease](ctx, w.conn, leases, namespaceName(w.enclave), lockName(w.lock))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return w.lockedError(ctx)
		}
		return fmt.Errorf("lock %q in enclave %q: %w", w.lock, w.enclave, err)
	}
	if w.last == nil || w.last.UID != lease.UID || w.last.ResourceVersion != lease.ResourceVersion {
		w.last, w.changed = lease, time.Now()
	}
	if time.Since(w.changed) < w.silence && !w.dead() {
		return nil
	}
	err = w.conn.remove(ctx, leases, lease.Namespace, lease.Name, deletion{uid: string(lease.UID), version: lease.ResourceVersion})
	if err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("take over lock %q in enclave %q: %w", w.lock, w.enclave, err)
	}
	return nil
}

// dead tells whether the holder is known to hold nothing any more: it was killed on this machine, or is this very process,
// which could not release the lock.
func (w *lockWaiter) dead() bool {
	process := w.last.Annotations[annotationProcess]
	alive, known := lockholder.Alive(process)
	return known && !alive || w.holds.Lost(process)
}

func (w *lockWaiter) lockedError(ctx context.Context) error {
	if w.last == nil {
		// The context ended before the holder was seen.
		detached, cancel := detach(ctx)
		defer cancel()
		lease, err := get[coordinationv1.Lease](detached, w.conn, leases, namespaceName(w.enclave), lockName(w.lock))
		if err != nil {
			return fmt.Errorf("lock %q in enclave %q: %w", w.lock, w.enclave, errors.Join(ctx.Err(), ignoreMissing(err)))
		}
		w.last = lease
	}
	failure := &enclave.LockedError{Enclave: w.enclave, Name: w.lock, Holder: w.last.Annotations[annotationHolder], Err: ctx.Err()}
	if since := w.last.Spec.AcquireTime; since != nil {
		failure.Since = since.Time
	}
	return failure
}

// hold renews a lock until it is released.
func (b *Backend) hold(ctx context.Context, conn *connection, lease *coordinationv1.Lease, hold string) (unlock func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(ctx, min(beatInterval, b.silence/4)) == nil {
			now := metav1.NowMicro()
			renewed := lease.DeepCopy()
			renewed.TypeMeta, renewed.Spec.RenewTime = leases.typeMeta(), &now
			updated, err := replace(ctx, conn, leases, lease.Namespace, lease.Name, renewed)
			switch {
			case err == nil:
				lease = updated
			case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
				b.logger.Warn("a lock was taken over while it was held", "enclave", lease.Labels[enclave.LabelEnclave], "lock", lease.Annotations[annotationName])
				return
			case ctx.Err() == nil:
				b.logger.Warn("a lock could not be renewed", "lock", lease.Annotations[annotationName], "error", err)
			}
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() {
			cancel()
			<-done
			// Should the API server be away just now, the lock that stays is known not to be held.
			b.holds.End(hold)
			detached, cancel := detach(ctx)
			defer cancel()
			if err := conn.remove(detached, leases, lease.Namespace, lease.Name, deletion{uid: string(lease.UID)}); err != nil && !apierrors.IsConflict(err) {
				b.logger.Warn("a lock could not be released", "lock", lease.Annotations[annotationName], "error", err)
			}
		})
	}
}

// LockHolder implements enclave.Enclaves.
func (b *Backend) LockHolder(ctx context.Context, name, lock string) (holder string, since time.Time, err error) {
	conn, err := b.connect()
	if err != nil {
		return "", time.Time{}, err
	}
	lease, err := get[coordinationv1.Lease](ctx, conn, leases, namespaceName(name), lockName(lock))
	if apierrors.IsNotFound(err) {
		return "", time.Time{}, fmt.Errorf("holder of lock %q in enclave %q: %w", lock, name, enclave.ErrNotFound)
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("holder of lock %q in enclave %q: %w", lock, name, err)
	}
	if lease.Spec.AcquireTime != nil {
		since = lease.Spec.AcquireTime.Time
	}
	return lease.Annotations[annotationHolder], since, nil
}
