package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// logsCall is how `sundog logs` was called.
type logsCall struct {
	tools      *tools
	backend    enclave.Backend
	enclave    string
	services   []string // empty means all
	options    enclave.LogOptions
	timestamps bool
	writer     *logWriter
	notices    io.Writer
}

func newLogs(t *tools) *cobra.Command {
	var backend backendFlag
	var format formatFlag
	call := logsCall{tools: t}
	var since string
	var noColour, noPrefix bool
	command := &cobra.Command{
		Use:   "logs ENCLAVE [SERVICE...]",
		Short: "Print what services have written, oldest first",
		Long: "Without SERVICE it is all services of the enclave. Lines of several services are put in the order of their times and\n" +
			"begin with the service's name. With -f it goes on until it is interrupted: a service that is restarted or replaced is\n" +
			"followed on, and so is one that comes to the enclave, where all are meant. A service that has failed keeps its log until\n" +
			"the next run or `sundog enclave rm`.",
		Example:           "  sundog logs dev api --tail 50\n  sundog logs dev api db -f --since 10m\n  sundog logs dev -f -t",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeServices(&backend),
		RunE: func(command *cobra.Command, args []string) error {
			if command.Flags().Changed("tail") && call.options.Tail < 1 {
				return usage("--tail: it must be at least 1")
			}
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			if call.options.Since, err = parseSince(since, t.now()); err != nil {
				return err
			}
			for _, service := range args[1:] {
				if err := enclave.CheckServiceName(service); err != nil {
					return &ExitError{Code: ExitUsage, Err: err}
				}
			}
			if call.backend, call.enclave, err = backend.named(t, args[0]); err != nil {
				return err
			}
			call.services, call.notices = args[1:], command.ErrOrStderr()
			out := command.OutOrStdout()
			call.writer = &logWriter{to: out, asJSON: asJSON, coloured: colours(out, noColour), prefixed: len(call.services) != 1 && !noPrefix, timestamps: call.timestamps}
			return call.run(command.Context())
		},
	}
	backend.add(command)
	format.add(command)
	flags := command.Flags()
	flags.BoolVarP(&call.options.Follow, "follow", "f", false, "go on until you interrupt")
	flags.IntVarP(&call.options.Tail, "tail", "n", 0, "number of last lines of each service (default: all)")
	flags.StringVar(&since, "since", "", "only what is younger: a time span such as 10m, or a time (RFC 3339)")
	flags.BoolVarP(&call.timestamps, "timestamps", "t", false, "the time of each line before it")
	flags.BoolVar(&noPrefix, "no-prefix", false, "no names before the lines of several services")
	flags.BoolVar(&noColour, "no-color", false, "no colours; environment: NO_COLOR")
	return command
}

func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if span, err := time.ParseDuration(text); err == nil && span >= 0 {
		return now.Add(-span), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usage("--since: %q is neither a time span such as 10m nor a time such as 2006-01-02T15:04:05Z", text)
	}
	return at, nil
}

func (c *logsCall) run(ctx context.Context) error {
	names, err := c.names(ctx)
	if err != nil {
		return missing(ctx, c.backend, c.enclave, "", err)
	}
	// Names that are not there are told before anything is printed.
	for _, name := range c.services {
		if _, err := c.backend.Service(ctx, c.enclave, name); err != nil {
			return missing(ctx, c.backend, c.enclave, name, err)
		}
	}
	c.writer.know(names...)
	switch {
	case c.options.Follow:
		return c.follow(ctx, names)
	case len(names) == 1 && c.writer.isPlain():
		return c.copy(ctx, names[0])
	}
	return c.merge(ctx, names)
}

func (c *logsCall) names(ctx context.Context) ([]string, error) {
	if len(c.services) > 0 {
		return c.services, nil
	}
	snapshot, err := c.backend.Observe(ctx, c.enclave)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, service := range sortedServices(snapshot) {
		names = append(names, service.Name)
	}
	return names, nil
}

// copy prints one log as it is, byte by byte.
func (c *logsCall) copy(ctx context.Context, service string) error {
	stream, err := c.backend.Logs(ctx, c.enclave, service, c.options)
	if err != nil {
		return explained(err)
	}
	defer stream.Close() //nolint:errcheck // It was read.
	_, err = io.Copy(c.writer.to, stream)
	return failed(err)
}

// logCursor is the next line of one service's log.
type logCursor struct {
	service string
	reader  *bufio.Reader
	at      time.Time
	line    string
	ended   bool
}

// next reads a line and its time. A line without one belongs to the line before it.
func (l *logCursor) next() error {
	text, err := l.reader.ReadString('\n')
	if text == "" {
		l.ended = true
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	at, line := cutTime(text)
	if !at.IsZero() {
		l.at = at
	}
	l.line = line
	return nil
}

// merge prints the logs of several services in the order of their times.
func (c *logsCall) merge(ctx context.Context, names []string) (err error) {
	options := c.options
	options.Timestamps = true
	var cursors []*logCursor
	for _, name := range names {
		stream, err := c.backend.Logs(ctx, c.enclave, name, options)
		if errors.Is(err, enclave.ErrNotFound) {
			continue // It was removed meanwhile.
		}
		if err != nil {
			return explained(err)
		}
		defer stream.Close() //nolint:errcheck // It was read.
		cursor := &logCursor{service: name, reader: bufio.NewReader(stream)}
		if err := cursor.next(); err != nil {
			return failed(fmt.Errorf("read the log of service %q: %w", name, err))
		}
		cursors = append(cursors, cursor)
	}
	for {
		var first *logCursor
		for _, cursor := range cursors {
			if !cursor.ended && (first == nil || cursor.at.Before(first.at)) {
				first = cursor
			}
		}
		if first == nil {
			return nil
		}
		if err := c.writer.write(first.service, first.at, first.line); err != nil {
			return failed(err)
		}
		if err := first.next(); err != nil {
			return failed(fmt.Errorf("read the log of service %q: %w", first.service, err))
		}
	}
}
