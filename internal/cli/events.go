package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/events"
)

const (
	// eventInterval is how often files are looked at for what is new.
	eventInterval = 250 * time.Millisecond
	// followedEvents is how many of the events that are there already a follower shows first.
	followedEvents = 10
)

// eventsCall is how `sundog events` was called.
type eventsCall struct {
	format      formatFlag
	follow      bool
	since       string
	tail        int
	enclave     string
	run         string
	runs        bool
	removeOlder time.Duration
}

func newEvents(t *tools) *cobra.Command {
	var call eventsCall
	command := &cobra.Command{
		Use:   "events [FOLDER]",
		Short: "Show the progress of applies: of this command, and of the provider while Terraform or OpenTofu applies",
		Long: "Every run and fork has a file of JSON lines. FOLDER holds such files (the provider's event_dir, --event-dir). Without\n" +
			"it, it is SUNDOG_EVENT_DIR; or else both sundog/events in the data folder (TF_DATA_DIR or .terraform) of the working\n" +
			"folder, where the provider writes, and sundog/events in your state folder, where this command writes.\n\n" +
			"A file that is full (4 MiB) is put aside once, and the one before it is removed. In your state folder files are removed\n" +
			"30 days after their last event; --remove-older does so in any folder.",
		Example: "  sundog events -f            # beside `tofu apply`, in the same folder\n  sundog events --runs\n" +
			"  sundog events --enclave dev --since 1h --format json\n  sundog events --remove-older 168h",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return call.do(command, t, args) },
	}
	call.format.add(command)
	flags := command.Flags()
	flags.BoolVarP(&call.follow, "follow", "f", false, "go on until you interrupt")
	flags.StringVar(&call.since, "since", "", "only what is younger: a time span such as 10m, or a time (RFC 3339)")
	flags.IntVarP(&call.tail, "tail", "n", 0, "number of last events (default: all, or 10 with -f)")
	flags.StringVar(&call.enclave, "enclave", "", "only runs of this enclave")
	flags.StringVar(&call.run, "run", "", "only this run, or fork/NAME")
	flags.BoolVar(&call.runs, "runs", false, "one line for each apply: when, how long, how it ended")
	flags.DurationVar(&call.removeOlder, "remove-older", 0, "remove the files of which nothing was written for so long, for example 168h, and name them")
	command.MarkFlagsMutuallyExclusive("follow", "runs", "remove-older")
	return command
}

func (c *eventsCall) do(command *cobra.Command, t *tools, args []string) error {
	asJSON, err := c.format.json()
	if err != nil {
		return err
	}
	if c.tail < 0 {
		return usage("--tail: it must not be negative")
	}
	if c.removeOlder < 0 {
		return usage("--remove-older: it must not be negative")
	}
	from, err := parseSince(c.since, t.now())
	if err != nil {
		return err
	}
	folders := eventFolders(args)
	if c.removeOlder > 0 {
		return removeOldEvents(command, folders, t.now().Add(-c.removeOlder), asJSON)
	}
	if !c.follow && !slices.ContainsFunc(folders, isThere) {
		return failed(fmt.Errorf("there are no events: no folder %s. Applies make it: name the folder, or set SUNDOG_EVENT_DIR", strings.Join(folders, ", nor ")))
	}
	if c.follow && !command.Flags().Changed("tail") && c.since == "" {
		c.tail = followedEvents
	}
	printer := &eventPrinter{to: command.OutOrStdout(), asJSON: asJSON, begins: map[string]time.Time{}}
	reader := &eventReader{files: events.NewReader(folders...), chosen: c.chosen}
	if c.runs {
		return showRuns(command, reader, from, c.tail, asJSON)
	}
	return failed(showEvents(command.Context(), reader, printer, from, c.tail, c.follow))
}

func (c *eventsCall) chosen(event *writtenEvent) bool {
	run := event.Run
	if event.Fork != "" {
		run = "fork/" + event.Fork
	}
	return (c.enclave == "" || event.Enclave == c.enclave) && (c.run == "" || run == c.run)
}

func isThere(folder string) bool {
	_, err := os.Stat(folder)
	return err == nil
}

// eventFolders are where events may be.
func eventFolders(args []string) []string {
	if len(args) == 1 {
		return args
	}
	if folder := os.Getenv("SUNDOG_EVENT_DIR"); folder != "" {
		return []string{folder}
	}
	data := os.Getenv("TF_DATA_DIR")
	if data == "" {
		data = ".terraform"
	}
	folders := []string{filepath.Join(data, "sundog", "events")}
	if own := ownEventFolder(); own != "" {
		folders = append(folders, own)
	}
	return folders
}

func removeOldEvents(command *cobra.Command, folders []string, since time.Time, asJSON bool) error {
	removed := []string{}
	for _, folder := range folders {
		found, err := events.Prune(folder, since)
		removed = append(removed, found...)
		if err != nil {
			return failed(err)
		}
	}
	if asJSON {
		return writeJSON(command, removed)
	}
	for _, file := range removed {
		fmt.Fprintln(command.OutOrStdout(), "removed", file)
	}
	return nil
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

// eventReader reads the events that have come since it was asked last.
type eventReader struct {
	files  *events.Reader
	chosen func(*writtenEvent) bool
}

// read gives new events in the order of their times.
func (r *eventReader) read() ([]writtenEvent, error) {
	lines, err := r.files.Read()
	var found []writtenEvent
	for _, line := range lines {
		var event writtenEvent
		// A line that is no event was written by something else.
		if json.Unmarshal(line, &event) == nil && event.Step != "" && r.chosen(&event) {
			event.line = line
			found = append(found, event)
		}
	}
	slices.SortStableFunc(found, func(a, b writtenEvent) int { return a.Time.Compare(b.Time) })
	return found, err
}

// eventPrinter writes events for a person, or as they are.
type eventPrinter struct {
	to     io.Writer
	asJSON bool
	begins map[string]time.Time
}

func (p *eventPrinter) print(found []writtenEvent) error {
	for i := range found {
		event := &found[i]
		took := p.took(event)
		text := string(event.line)
		if !p.asJSON {
			text = event.Time.Local().Format(time.DateTime) + "  " + event.about() + "  " + progressLine(event.Event, took)
			if event.Position != "" {
				text += "  (" + event.Position + ")"
			}
		}
		if _, err := fmt.Fprintln(p.to, text); err != nil {
			return err
		}
	}
	return nil
}

// took tells how long the step of an event has taken; zero where that is not known.
func (p *eventPrinter) took(event *writtenEvent) time.Duration {
	return tookSince(p.begins, event.about()+"\x00"+stepKey(&event.Event), &event.Event)
}
