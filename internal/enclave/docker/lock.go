package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
)

const (
	// beatInterval is how often the holder of a lock shows that it is alive.
	beatInterval = 5 * time.Second
	// defaultSilence is how long a holder that cannot be looked at otherwise may be silent before its lock is taken over.
	defaultSilence = 30 * time.Second
	// beatFile is what a holder writes; only that it changes matters, so clocks need not agree.
	beatFile = "beat"
)

// Lock implements enclave.Enclaves. A lock is a container that is never started: its name can be taken only once.
func (b *Backend) Lock(ctx context.Context, name, lock, holder string) (unlock func(), err error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	found, err := conn.storeAndLocks(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("lock %q in enclave %q: %w", lock, name, err)
	}
	stored := false
	for _, item := range found {
		stored = stored || item.Labels[enclave.LabelRole] == roleStore
	}
	if !stored {
		existing, err := conn.enclave(ctx, name)
		if err == nil {
			err = conn.replaceStore(ctx, existing)
		}
		if err != nil {
			return nil, fmt.Errorf("lock %q in enclave %q: %w", lock, name, err)
		}
	}
	if err := b.removeDeadLocks(ctx, conn, found); err != nil {
		return nil, fmt.Errorf("lock %q in enclave %q: %w", lock, name, err)
	}
	return b.acquire(ctx, conn, name, lock, holder)
}

// storeAndLocks lists an enclave's store, all its locks, and what artifacts are read from, by one call.
func (c *connection) storeAndLocks(ctx context.Context, name string) ([]container.Summary, error) {
	// Engines match names with or without their leading slash.
	names := fmt.Sprintf("^/?(%s$|%s|%s)", regexp.QuoteMeta(storeName(name)), regexp.QuoteMeta(lockPrefix(name)), regexp.QuoteMeta(readerPrefix(name)))
	found, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: withLabels(ofEnclave(name)).Add("name", names)})
	if err != nil {
		return nil, c.translate(err)
	}
	return found.Items, nil
}

func (b *Backend) acquire(ctx context.Context, conn *connection, name, lock, holder string) (unlock func(), err error) {
	identity := lockholder.This()
	identity.Hold = b.holds.Begin()
	process, err := json.Marshal(identity)
	if err != nil {
		return nil, fmt.Errorf("lock %q in enclave %q: %w", lock, name, err)
	}
	held := false
	defer func() {
		if !held {
			b.holds.End(identity.Hold)
		}
	}()
	labels := objectLabels(name, roleLock, map[string]string{labelLock: lock, labelHolder: holder, labelHolderProcess: string(process)})
	waiter := lockWaiter{conn: conn, enclave: name, lock: lock, silence: b.silence, holds: &b.holds}
	for {
		id, err := conn.createFromEmpty(ctx, lockName(name, lock), labels)
		if err == nil {
			held = true
			return b.hold(ctx, conn, id, identity.Hold), nil
		}
		if ctx.Err() != nil {
			return nil, waiter.lockedError(ctx)
		}
		if !errdefs.IsConflict(err) {
			return nil, fmt.Errorf("lock %q in enclave %q: %w", lock, name, conn.translate(err))
		}
		if err := waiter.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// hold shows that the lock's holder is alive until unlock is called.
func (b *Backend) hold(ctx context.Context, conn *connection, id, hold string) (unlock func()) {
	ctx = context.WithoutCancel(ctx)
	done := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(beatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-ticker.C:
				if err := conn.beat(ctx, id, now); err != nil {
					b.logger.Warn("a lock could not be renewed", "container", id, "error", err)
				}
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		beating.Wait()
		// Should the engine be away just now, the lock that stays is known not to be held.
		b.holds.End(hold)
		ctx, cancel := context.WithTimeout(ctx, cleanupTime)
		defer cancel()
		if err := conn.removeContainer(ctx, id); err != nil {
			b.logger.Warn("a lock could not be released: whoever wants it next takes it over", "container", id, "error", err)
		}
	})
}

func (c *connection) beat(ctx context.Context, id string, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, beatInterval)
	defer cancel()
	archive, err := packBeat(now)
	if err != nil {
		return err
	}
	_, err = c.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	return c.translate(err)
}

// lockWaiter is one caller that waits for a lock.
type lockWaiter struct {
	conn          *connection
	enclave, lock string
	silence       time.Duration
	holds         *lockholder.Holds
	pause         time.Duration
	// The holder as last seen, and since when it has been silent on our own clock.
	id          string
	holder      string
	since       time.Time
	beat        string
	silentSince time.Time
}

// wait returns when it is worth trying again: the holder is gone, was found dead and removed, or some time has passed.
func (w *lockWaiter) wait(ctx context.Context) error {
	inspected, err := w.conn.ContainerInspect(ctx, lockName(w.enclave, w.lock), client.ContainerInspectOptions{})
	switch {
	case err == nil:
		dead, err := w.observe(ctx, inspected.Container)
		if err == nil && dead {
			// By ID, not by name: another one who waits may have replaced the dead holder's lock already.
			err = w.conn.removeContainer(ctx, w.id)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("lock %q in enclave %q: %w", w.lock, w.enclave, err)
		}
		if dead {
			return nil
		}
	case ctx.Err() != nil, errdefs.IsNotFound(err):
	default:
		return fmt.Errorf("lock %q in enclave %q: %w", w.lock, w.enclave, w.conn.translate(err))
	}
	// Most locks are held for a moment only.
	w.pause = min(max(2*w.pause, 10*time.Millisecond), 500*time.Millisecond)
	select {
	case <-ctx.Done():
		return w.lockedError(ctx)
	case <-time.After(w.pause):
		return nil
	}
}

// observe notes who holds the lock and tells whether that process is dead.
func (w *lockWaiter) observe(ctx context.Context, holder container.InspectResponse) (dead bool, err error) {
	if holder.ID != w.id {
		w.id, w.beat, w.silentSince, w.pause = holder.ID, "", time.Now(), 0
		w.holder = holder.Config.Labels[labelHolder]
		// A time that cannot be read stays zero: it is shown to people only.
		w.since, _ = time.Parse(time.RFC3339Nano, holder.Created)
	}
	if w.holds.Lost(holder.Config.Labels[labelHolderProcess]) {
		return true, nil
	}
	if alive, known := holderAlive(holder.Config.Labels); known {
		return !alive, nil
	}
	beat := "none"
	stat, err := w.conn.ContainerStatPath(ctx, w.id, client.ContainerStatPathOptions{Path: "/" + beatFile})
	if err == nil {
		beat = stat.Stat.Mtime.String()
	} else if !errdefs.IsNotFound(err) {
		return false, w.conn.translate(err)
	}
	if beat != w.beat {
		w.beat, w.silentSince = beat, time.Now()
	}
	return time.Since(w.silentSince) > w.silence, nil
}

// removeDeadLocks removes the locks of processes that were killed, and what they read artifacts from. Nobody may ever
// want such a lock again, so it would stay as long as the enclave.
func (b *Backend) removeDeadLocks(ctx context.Context, conn *connection, found []container.Summary) error {
	for _, item := range found {
		if role := item.Labels[enclave.LabelRole]; role != roleLock && role != roleArtifact {
			continue
		}
		alive, known := holderAlive(item.Labels)
		if dead := known && !alive || b.holds.Lost(item.Labels[labelHolderProcess]); !dead {
			continue
		}
		if err := conn.removeContainer(ctx, item.ID); err != nil {
			return fmt.Errorf("remove what a dead process has left: %w", err)
		}
	}
	return nil
}

// holderAlive tells whether the process that holds a lock runs, if that can be told from here.
func holderAlive(labels map[string]string) (alive, known bool) {
	return lockholder.Alive(labels[labelHolderProcess])
}

func (w *lockWaiter) lockedError(ctx context.Context) error {
	if w.id == "" {
		return fmt.Errorf("lock %q in enclave %q: %w", w.lock, w.enclave, ctx.Err())
	}
	return &enclave.LockedError{Enclave: w.enclave, Name: w.lock, Holder: w.holder, Since: w.since, Err: ctx.Err()}
}

// removeContainer removes a container with its anonymous volumes, running or not; one that is not there is success.
func (c *connection) removeContainer(ctx context.Context, id string) error {
	_, err := c.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if isBeingRemoved(err) {
		return c.awaitRemoval(ctx, id)
	}
	return c.translate(ignoreMissing(err))
}

// awaitRemoval waits for a removal that somebody else has begun: until it is done the container's name and its volumes
// are still taken.
func (c *connection) awaitRemoval(ctx context.Context, id string) error {
	waiting := c.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-waiting.Result:
		return nil
	case err := <-waiting.Error:
		return c.translate(ignoreMissing(err))
	}
}
