// Package cli is the companion command: the same binary as the provider, started by a person instead of a Terraform CLI.
package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// The exit statuses of the command.
const (
	// ExitFailure: what was asked for did not hold, for example because a package is wrong.
	ExitFailure = 1
	// ExitUsage: the command was called in a way that makes no sense.
	ExitUsage = 2
)

// ExitError is an error with the exit status that it means.
type ExitError struct {
	Code int
	// Err is what is printed; nil where everything has been said already.
	Err error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return "failed"
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// usage is an error of how the command was called.
func usage(format string, arguments ...any) error {
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf(format, arguments...)}
}

// ExitCode gives the exit status that an error of the command means. Whatever cobra itself refuses is bad usage.
func ExitCode(err error) int {
	var known *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &known):
		return known.Code
	}
	return ExitUsage
}

// Message is what a person reads of an error; empty where everything has been said already.
func Message(err error) string {
	var known *ExitError
	if errors.As(err, &known) && known.Err == nil {
		return ""
	}
	return err.Error()
}

// New makes the root command.
func New(version string) *cobra.Command { return newRoot(version, realTools()) }

func newRoot(version string, t *tools) *cobra.Command {
	root := &cobra.Command{
		Use:   "sundog",
		Short: "Isolated environments out of a team's own containers and copies of cloud services",
		Long: "Sundog is a provider for Terraform and OpenTofu, which start this program by themselves.\n" +
			"Started by hand it is the companion command.\n\n" +
			"Exit status: 0 when what was asked for holds, 1 when it does not, 2 when the command was called wrongly; `exec` and\n" +
			"`shell` end as the command that they run, with 125 for failures of their own; 130 and 143 after an interruption.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noCommand,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newPackage(), newRun(t), newWatch(t), newEnclave(t), newLogs(t), newExec(t), newShell(t), newPort(t), newForward(t), newFiles(t), newClean(t), newEvents(t), newVersion(version))
	return root
}

func newVersion(version string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "sundog %s\n", version)
			return failed(err)
		},
	}
}

// failed is an error of what a command did, as opposed to how it was called.
func failed(err error) error {
	if err == nil || errors.As(err, new(*ExitError)) {
		return err
	}
	return &ExitError{Code: ExitFailure, Err: err}
}
