package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// exitSignal is added to a signal's number where it ended the command, as shells do.
const exitSignal = 128

// Execute runs the command with its arguments and gives its exit status. Errors go to the process's standard error: as
// text, or as one JSON object where the command was asked for JSON.
func Execute(ctx context.Context, version string, arguments []string) int {
	ctx, received, stop := untilSignal(ctx)
	defer stop()
	root := New(version)
	root.SetArgs(arguments)
	command, err := root.ExecuteContextC(ctx)
	code := exitStatus(command, err)
	if err != nil {
		writeError(os.Stderr, err, code, wantsJSON(command, arguments))
		if number, ok := received().(syscall.Signal); ok {
			return exitSignal + int(number)
		}
	}
	return code
}

// untilSignal gives a context that ends at the first interruption, and tells which it was. A second one ends the process
// at once, as if nobody listened.
func untilSignal(ctx context.Context) (context.Context, func() os.Signal, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	first := make(chan os.Signal, 1)
	go func() {
		select {
		case <-ctx.Done():
		case received := <-signals:
			first <- received
			signal.Stop(signals)
			cancel()
		}
	}()
	received := func() os.Signal {
		select {
		case received := <-first:
			return received
		default:
			return nil
		}
	}
	return ctx, received, func() {
		signal.Stop(signals)
		cancel()
	}
}

// exitStatus gives the exit status that an error of a command means. Where 2 stands for changes, a command that was
// called wrongly ends with 1, as with `tofu plan -detailed-exitcode`.
func exitStatus(command *cobra.Command, err error) int {
	code := ExitCode(err)
	if code == ExitUsage && isDetailed(command) && !errors.Is(err, errChanges) {
		return ExitFailure
	}
	return code
}

// wantsJSON tells whether a command was asked for JSON. A command line that could not be read is looked through.
func wantsJSON(command *cobra.Command, arguments []string) bool {
	if command != nil {
		if flag := command.Flags().Lookup("format"); flag != nil && flag.Changed {
			return flag.Value.String() == "json"
		}
	}
	if end := slices.Index(arguments, "--"); end >= 0 {
		arguments = arguments[:end]
	}
	at := slices.Index(arguments, "--format")
	return slices.Contains(arguments, "--format=json") || at >= 0 && at+1 < len(arguments) && arguments[at+1] == "json"
}

// errorDocument is an error as programs read it.
type errorDocument struct {
	Error errorDetails `json:"error"`
}

type errorDetails struct {
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
}

func writeError(to io.Writer, err error, code int, asJSON bool) {
	message := Message(err)
	switch {
	case message == "":
	case asJSON:
		encoder := json.NewEncoder(to)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(errorDocument{errorDetails{message, code}}) // There is nobody left to tell.
	default:
		fmt.Fprintln(to, "Error:", message)
	}
}

// noCommand refuses what is no sub-command, and names one that may have been meant.
func noCommand(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, child := range command.Commands() {
		if child.IsAvailableCommand() {
			known = append(known, child.Name())
			known = append(known, child.Aliases...)
		}
	}
	return usage("there is no command %q in %q%s: `%s --help` lists them", args[0], command.CommandPath(), didYouMean(args[0], known), command.CommandPath())
}

// flagError names a flag that may have been meant.
func flagError(command *cobra.Command, err error) error {
	wrong, found := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !found {
		return usage("%w. `%s --help` shows the flags", err, command.CommandPath())
	}
	return usage("there is no flag --%s in %q%s: `%s --help` shows the flags", wrong, command.CommandPath(), didYouMeanFlag(command, wrong), command.CommandPath())
}
