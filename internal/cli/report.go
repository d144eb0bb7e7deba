package cli

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/events"
)

// eventAge is how long files of events in the user's own folder are kept after the last event.
const eventAge = 30 * 24 * time.Hour

// reportFlags say how a command that works on an enclave tells what it does, and how long it waits for others.
type reportFlags struct {
	quiet       bool
	progress    string
	noColour    bool
	eventDir    string
	lockTimeout time.Duration
}

func (f *reportFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	flags.StringVar(&f.progress, "progress", "auto", "auto (tty on a terminal, plain elsewhere), plain or tty")
	flags.BoolVar(&f.noColour, "no-color", false, "no colours; environment: NO_COLOR")
	flags.StringVar(&f.eventDir, "event-dir", "", "folder for progress as JSON lines, which `sundog events` shows (default: \"sundog/events\" in the user's state folder). Environment: SUNDOG_EVENT_DIR")
	flags.DurationVar(&f.lockTimeout, "lock-timeout", 0, "how long to wait for another apply that is under way, for example 30s; 0 is without an end")
	completeValues(command, "progress", "auto", "plain", "tty")
}

func (f *reportFlags) check() error {
	switch f.progress {
	case "auto", "plain", "tty":
	default:
		return usage("--progress: %q is none of auto, plain and tty", f.progress)
	}
	if f.lockTimeout < 0 {
		return usage("--lock-timeout: it must not be negative")
	}
	return nil
}

// engine makes an engine whose events are told and written down. The function that it gives ends the display.
func (f *reportFlags) engine(command *cobra.Command, backend enclave.Backend) (*engine.Engine, func()) {
	told := f.teller(command.ErrOrStderr())
	writer := f.writer()
	return engine.New(backend, engine.Options{
		Command: command.CommandPath(), LockPatience: f.lockTimeout,
		Events: func(event engine.Event) {
			told.tell(event)
			writer.Write(event.Enclave, event.Run, event)
		},
	}), told.close
}

func (f *reportFlags) teller(to io.Writer) teller {
	if f.quiet {
		return silence{}
	}
	terminal, ok := terminalOf(to)
	if ok && (f.progress == "tty" || f.progress == "auto" && os.Getenv("TERM") != "dumb") {
		return newLive(terminal, colours(to, f.noColour))
	}
	return newProgress(to)
}

func (f *reportFlags) writer() *events.Writer {
	folder := f.eventDir
	if folder == "" {
		folder = os.Getenv("SUNDOG_EVENT_DIR")
	}
	if folder == "" {
		if folder = ownEventFolder(); folder != "" {
			// What is left after so long interests nobody; and progress never fails a command.
			_, _ = events.Prune(folder, time.Now().Add(-eventAge))
		}
	}
	return events.NewWriter(folder, nil)
}

// ownEventFolder is where this command writes events unless it is told otherwise; empty where the user has no home.
func ownEventFolder() string {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "sundog", "events")
}
