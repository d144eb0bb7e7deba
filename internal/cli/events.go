package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

const (
	// eventInterval is how often files are looked at for what is new.
	eventInterval = 250 * time.Millisecond
	// followedEvents is how many of the events that are there already a follower shows first.
	followedEvents = 10
)

func newEvents(t *tools) *cobra.Command {
	var format formatFlag
	var follow bool
	var since string
	var tail int
	command := &cobra.Command{
		Use:   "events [FOLDER]",
		Short: "Show the progress that the provider writes while Terraform or OpenTofu applies",
		Long: "The provider writes one file of JSON lines for each run and fork into its event_dir. FOLDER is that folder; without it,\n" +
			"it is SUNDOG_EVENT_DIR, or else sundog/events in the data folder (TF_DATA_DIR or .terraform) of the working folder.",
		Example: "  sundog events -f            # beside `tofu apply`, in the same folder\n  sundog events --since 1h --format json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			if tail < 0 {
				return usage("--tail: it must not be negative")
			}
			from, err := parseSince(since, t.now())
			if err != nil {
				return err
			}
			folder := eventFolder(args)
			if _, err := os.Stat(folder); err != nil && !follow {
				return failed(fmt.Errorf("%w\n\nThe provider makes it during the first apply: name the folder, or set SUNDOG_EVENT_DIR", err))
			}
			if follow && !command.Flags().Changed("tail") && since == "" {
				tail = followedEvents
			}
			reader := &eventReader{folder: folder, offsets: map[string]int64{}}
			printer := &eventPrinter{to: command.OutOrStdout(), asJSON: asJSON, begins: map[string]time.Time{}}
			return failed(showEvents(command.Context(), reader, printer, from, tail, follow))
		},
	}
	format.add(command)
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on until you interrupt")
	command.Flags().StringVar(&since, "since", "", "only what is younger: a time span such as 10m, or a time (RFC 3339)")
	command.Flags().IntVar(&tail, "tail", 0, "number of last events (default: all, or 10 with -f)")
	return command
}

func eventFolder(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	if folder := os.Getenv("SUNDOG_EVENT_DIR"); folder != "" {
		return folder
	}
	data := os.Getenv("TF_DATA_DIR")
	if data == "" {
		data = ".terraform"
	}
	return filepath.Join(data, "sundog", "events")
}

func showEvents(ctx context.Context, reader *eventReader, printer *eventPrinter, from time.Time, tail int, follow bool) error {
	found, err := reader.read()
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(event writtenEvent) bool { return event.Time.Before(from) })
	// The earlier ones are looked at all the same: they tell when something began.
	shown := 0
	if tail > 0 {
		shown = max(0, len(found)-tail)
	}
	for _, event := range found[:shown] {
		printer.took(&event)
	}
	if err := printer.print(found[shown:]); err != nil || !follow {
		return err
	}
	ticker := time.NewTicker(eventInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // Whoever follows ends it by an interruption.
		case <-ticker.C:
		}
		found, err := reader.read()
		if err == nil {
			err = printer.print(found)
		}
		if err != nil {
			return err
		}
	}
}

// writtenEvent is one line of an event file: of a run, or of a fork.
type writtenEvent struct {
	engine.Event
	Fork string `json:"fork"`
	line []byte
}

// about names the run or fork.
func (e *writtenEvent) about() string {
	if e.Fork != "" {
		return "fork/" + e.Fork
	}
	return e.Enclave + "/" + e.Run
}

// eventReader reads what has come to a folder's files since it was asked last.
type eventReader struct {
	folder  string
	offsets map[string]int64
}

// read gives new events in the order of their times. A folder that is not there has none yet.
func (r *eventReader) read() ([]writtenEvent, error) {
	var events []writtenEvent
	err := filepath.WalkDir(r.folder, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".jsonl" {
			return err
		}
		found, err := r.readFile(file)
		events = append(events, found...)
		return err
	})
	slices.SortStableFunc(events, func(a, b writtenEvent) int { return a.Time.Compare(b.Time) })
	return events, err
}

// readFile reads the whole lines that are new; the rest of a line that is being written waits for the next time.
func (r *eventReader) readFile(name string) ([]writtenEvent, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // It was read.
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < r.offsets[name] {
		r.offsets[name] = 0 // Somebody has emptied it.
	}
	if _, err := file.Seek(r.offsets[name], io.SeekStart); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	r.offsets[name] += int64(len(content))
	var events []writtenEvent
	for line := range bytes.Lines(content) {
		var event writtenEvent
		// A line that is no event was not written by the provider.
		if json.Unmarshal(line, &event) == nil && event.Step != "" {
			event.line = bytes.TrimRight(line, "\r\n")
			events = append(events, event)
		}
	}
	return events, nil
}

// eventPrinter writes events for a person, or as they are.
type eventPrinter struct {
	to     io.Writer
	asJSON bool
	begins map[string]time.Time
}

func (p *eventPrinter) print(events []writtenEvent) error {
	for i := range events {
		event := &events[i]
		took := p.took(event)
		text := string(event.line)
		if !p.asJSON {
			text = event.Time.Local().Format(time.DateTime) + "  " + event.about() + "  " + progressLine(event.Event, took)
		}
		if _, err := fmt.Fprintln(p.to, text); err != nil {
			return err
		}
	}
	return nil
}

// took tells how long the step of an event has taken; zero where that is not known.
func (p *eventPrinter) took(event *writtenEvent) time.Duration {
	return tookSince(p.begins, strings.Join([]string{event.about(), event.Step, event.Object}, "\x00"), &event.Event)
}
