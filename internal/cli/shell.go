package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func newShell(t *tools) *cobra.Command {
	var backend backendFlag
	var flags execFlags
	var shell string
	command := &cobra.Command{
		Use:   "shell ENCLAVE SERVICE",
		Short: "Open a shell in a service",
		Long: "It is bash where the image has it, and sh otherwise. On a terminal it is interactive; without one it carries out what\n" +
			"comes on standard input. Exit status: the shell's, as with `sundog exec`.",
		Example:           "  sundog shell dev api\n  sundog shell dev db --user postgres\n  echo 'ls -l /data' | sundog shell dev api",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: t.completeEnclaves(&backend, true),
		RunE: func(command *cobra.Command, args []string) error {
			request, err := flags.request(nil)
			if err != nil {
				return err
			}
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			if shell == "" {
				if shell, err = findShell(command.Context(), carrier, name, args[1]); err != nil {
					return err
				}
			}
			request.Command, request.Stdin = []string{shell}, command.InOrStdin()
			_, typed := terminalOf(command.InOrStdin())
			_, shown := terminalOf(command.OutOrStdout())
			return runIn(command, carrier, name, args[1], request, typed && shown)
		},
	}
	backend.add(command)
	flags.add(command)
	command.Flags().StringVar(&shell, "shell", "", "program to run (default: bash, or else sh)")
	return command
}

// findShell asks which shell a service has. It is asked before the shell is run, as a command that cannot be run would
// take the first of what is typed with it.
func findShell(ctx context.Context, backend enclave.Backend, name, service string) (string, error) {
	for _, probe := range []struct {
		words []string
		shell string
	}{
		{[]string{"sh", "-c", "command -v bash"}, "bash"},
		{[]string{"sh", "-c", "exit 0"}, "sh"},
		{[]string{"bash", "-c", "exit 0"}, "bash"},
	} {
		result, err := backend.Exec(ctx, name, service, enclave.ExecRequest{Command: probe.words})
		_, refused := errors.AsType[*enclave.CommandError](err)
		switch {
		case err == nil && result.Code == 0:
			return probe.shell, nil
		case err != nil && !refused:
			return "", execError(ctx, backend, name, service, err)
		}
	}
	image := ""
	if found, err := backend.Service(ctx, name, service); err == nil && found.Image != "" {
		image = fmt.Sprintf(" (image %s)", found.Image)
	}
	return "", &ExitError{Code: enclave.CodeNotFound, Err: fmt.Errorf("service %q%s has no shell: neither bash nor sh is in its image. %s", service, image, strings.Join([]string{
		fmt.Sprintf("Run a program that it has: sundog exec -it %s %s -- PROGRAM.", name, service),
		"For a look from outside, add a service with tools to the package, or build the image with a shell",
	}, "\n"))}
}
