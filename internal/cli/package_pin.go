package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

// packageArgument is the package that a command is about: the working folder where none is given.
func packageArgument(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return "."
}

// gather opens a package and finds everything that it needs: by interpreting it, and by following the constant locators
// in its files, which also stand in branches that these arguments do not take.
func gather(command *cobra.Command, resolver *locator.Resolver, where string, request language.Request) (*locator.Package, error) {
	folder, err := workingFolder()
	if err != nil {
		return nil, err
	}
	opened, err := resolver.Open(command.Context(), where, folder)
	if err != nil {
		return nil, failed(err)
	}
	return opened, failed(explore(command, opened, request))
}

func explore(command *cobra.Command, opened *locator.Package, request language.Request) error {
	note := func(format string, arguments ...any) {
		fmt.Fprintf(command.ErrOrStderr(), "Warning: "+format+"\n", arguments...)
	}
	_, err := language.Interpret(command.Context(), opened, request)
	failure, ok := errors.AsType[*language.Error](err)
	switch {
	case err == nil:
	case ok && (failure.Arguments || failure.Phase == language.PhaseValidation):
		note("the package was not run to its end, so locators that depend on its arguments may be missing (give arguments with --args): %s", failure.Message)
	default:
		return err
	}
	return scan(command.Context(), opened, note)
}

func scan(ctx context.Context, opened *locator.Package, note func(format string, arguments ...any)) error {
	problems, err := language.Scan(ctx, opened)
	for _, problem := range problems {
		note("%s", problem)
	}
	return err
}
