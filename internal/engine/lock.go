package engine

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"
)

const (
	// lockSilence is how long a lock is waited for before that is told: most are held for a moment only.
	lockSilence = 300 * time.Millisecond
	// lockLook is how often whoever waits looks whether another one holds the lock by now.
	lockLook = 2 * time.Second
)

// eventLock is the step of waiting for a lock.
const eventLock = "lock"

// lock takes a lock of an enclave. Whoever has to wait for it tells so, with the holder's name, and does not wait longer
// than the engine's patience.
func (e *Engine) lock(ctx context.Context, enclaveName, name, owner string) (unlock func(), err error) {
	if e.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.patience)
		defer cancel()
	}
	watching, end := context.WithCancel(ctx)
	told := make(chan bool, 1)
	// Locks within an apply are held for a moment only; what one waits for is another apply.
	if run, ofRun := strings.CutPrefix(name, lockOf("")); ofRun {
		go func() { told <- e.tellHolder(watching, enclaveName, run) }()
	} else {
		told <- false
	}
	unlock, err = e.backend.Lock(ctx, enclaveName, name, e.holder(owner))
	end()
	if <-told {
		e.lockEvent(enclaveName, strings.TrimPrefix(name, lockOf("")), outcomeOf(err), messageOf(err))
	}
	return unlock, err
}

// tellHolder tells who holds the lock of a run that is still waited for, and whenever that changes. It gives whether it did.
func (e *Engine) tellHolder(ctx context.Context, enclaveName, run string) (told bool) {
	last := ""
	for pause := lockSilence; sleep(ctx, pause) == nil; pause = lockLook {
		holder, since, err := e.backend.LockHolder(ctx, enclaveName, lockOf(run))
		if err != nil {
			continue // Nobody holds it any more, or that cannot be told: the next look may tell more.
		}
		text := fmt.Sprintf("held by %s since %s", holder, since.Local().Format(time.DateTime))
		if text != last && ctx.Err() == nil {
			e.lockEvent(enclaveName, run, eventStarted, text)
			last, told = text, true
		}
	}
	return told
}

func (e *Engine) lockEvent(enclaveName, run, status, message string) {
	e.events(Event{Time: time.Now(), Enclave: enclaveName, Run: run, Step: eventLock, Object: run, Status: status, Message: message})
}

// holder says who holds a lock, for the one who waits for it. It goes into a label, so it names no arguments: these may
// be secrets.
func (e *Engine) holder(owner string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	name := "an unknown user"
	if current, err := user.Current(); err == nil && current.Username != "" {
		name = current.Username
	}
	process := fmt.Sprintf("%s on %s (%s, process %d)", name, host, e.command, os.Getpid())
	if owner == "" {
		return process
	}
	return fmt.Sprintf("owner %q, %s", owner, process)
}

func lockOf(run string) string { return "run/" + run }
