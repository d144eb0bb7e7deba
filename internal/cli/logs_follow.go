package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// returnPause is how often a service that has ended is looked at, and the enclave for services that are new.
const returnPause = 500 * time.Millisecond

// errLost tells that a stream broke off.
var errLost = errors.New("the log broke off")

// follow prints the logs of services until the context ends, or the enclave is gone.
func (c *logsCall) follow(ctx context.Context, names []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var following sync.WaitGroup
	failures := make(chan error, 1)
	begin := func(name string, options enclave.LogOptions) {
		following.Go(func() {
			if err := c.followOne(ctx, name, options); err != nil && ctx.Err() == nil {
				select {
				case failures <- err:
				default:
				}
				cancel()
			}
		})
	}
	for _, name := range names {
		begin(name, c.options)
	}
	if len(c.services) == 0 {
		following.Go(func() { c.discover(ctx, names, begin) })
	}
	following.Wait()
	select {
	case err := <-failures:
		return explained(err)
	default:
		return nil // Whoever follows a log ends it by an interruption.
	}
}

// discover finds services that come to the enclave.
func (c *logsCall) discover(ctx context.Context, known []string, begin func(string, enclave.LogOptions)) {
	known = slices.Clone(known)
	for pause(ctx, returnPause) {
		names, err := c.names(ctx)
		if errors.Is(err, enclave.ErrNotFound) {
			return
		}
		for _, name := range names {
			if slices.Contains(known, name) {
				continue
			}
			known = append(known, name)
			c.writer.know(name)
			begin(name, enclave.LogOptions{Follow: true})
		}
	}
}

// followOne prints the log of one service, also of the containers and starts that come after the present one.
func (c *logsCall) followOne(ctx context.Context, name string, options enclave.LogOptions) error {
	options.Timestamps = !c.writer.isBare()
	var last *enclave.Service
	for {
		current, ended, err := c.await(ctx, name, last)
		if err != nil || current == nil {
			return err
		}
		if last != nil {
			options.Tail, options.Since = 0, time.Time{}
			if current.ID == last.ID {
				options.Since = beginOf(current, ended)
			}
		}
		if err := c.stream(ctx, name, options); err != nil && !errors.Is(err, enclave.ErrNotFound) {
			if !errors.Is(err, errLost) {
				return err
			}
			// The connection broke, and not the service: go on from now.
			last, options.Tail, options.Since = nil, 0, time.Now()
			continue
		}
		last = current
	}
}

// beginOf is from when on a container's log has lines of its present start: it may have those of earlier ones as well. An engine
// says that a process has started when its first lines are there already, so what counts is when the one before had ended, as
// far as that was seen.
func beginOf(current *enclave.Service, ended time.Time) time.Time {
	switch {
	case !ended.IsZero():
		return ended
	case current.EndedAt.Before(current.StartedAt):
		return current.EndedAt
	default:
		return current.StartedAt.Add(-time.Second) // It has ended again, and says no more of the time before.
	}
}

// await gives the service once it is another start than the last one, and when that one was seen to have ended; nil when there
// is nothing to wait for any more.
func (c *logsCall) await(ctx context.Context, name string, last *enclave.Service) (current *enclave.Service, ended time.Time, err error) {
	told := last == nil
	for {
		found, err := c.backend.Service(ctx, c.enclave, name)
		switch {
		case ctx.Err() != nil:
			return nil, ended, nil //nolint:nilerr // There is nothing to wait for any more.
		case errors.Is(err, enclave.ErrNotFound):
			if _, err := c.backend.Enclave(ctx, c.enclave); errors.Is(err, enclave.ErrNotFound) {
				fmt.Fprintf(c.notices, "The enclave %q is gone.\n", c.enclave)
				return nil, ended, nil
			}
		case err != nil:
			return nil, ended, err
		case last == nil:
			return found, ended, nil
		case found.State == enclave.StateCreated:
		case found.ID != last.ID || found.StartedAt.After(last.StartedAt):
			fmt.Fprintf(c.notices, "Service %q was started again.\n", name)
			return found, ended, nil
		case found.EndedAt.After(found.StartedAt):
			ended = found.EndedAt
		}
		// The engine may not have noticed yet that it has ended.
		if !told && (err != nil || found.State != enclave.StateRunning) {
			told = true
			fmt.Fprintf(c.notices, "Service %q %s; waiting for it to come back.\n", name, endOf(found, err))
		}
		if !pause(ctx, returnPause) {
			return nil, ended, nil
		}
	}
}

func endOf(found *enclave.Service, err error) string {
	switch {
	case err != nil:
		return "was removed"
	case found.OutOfMemory:
		return fmt.Sprintf("ran out of memory and was killed (exit code %d)", found.ExitCode)
	case found.State == enclave.StateExited:
		return fmt.Sprintf("exited with code %d", found.ExitCode)
	}
	return "is " + string(found.State)
}

// stream prints one log to its end.
func (c *logsCall) stream(ctx context.Context, name string, options enclave.LogOptions) error {
	stream, err := c.backend.Logs(ctx, c.enclave, name, options)
	if err != nil {
		return err
	}
	defer stream.Close() //nolint:errcheck // It was read.
	reader := bufio.NewReader(stream)
	for {
		text, err := reader.ReadString('\n')
		if text != "" {
			at, line := time.Time{}, text
			if options.Timestamps {
				at, line = cutTime(text)
			}
			if err := c.writer.write(name, at, line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errLost, err)
		}
	}
}

// pause waits, and tells whether the context still lasts.
func pause(ctx context.Context, span time.Duration) bool {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
