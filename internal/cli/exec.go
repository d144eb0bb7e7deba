package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// ExitOwn is the exit status of `sundog exec` and `shell` for what is not the command's own failure, as `docker run` has it.
const ExitOwn = 125

// execFlags say how a command is run in a service.
type execFlags struct {
	environment      []string
	user, workingDir string
}

func (f *execFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVarP(&f.environment, "env", "e", nil, "environment variable of the command: NAME=VALUE, or NAME for the one of this process; may be repeated")
	flags.StringVarP(&f.user, "user", "u", "", "user, and group after a colon, by name or number (default: the service's)")
	flags.StringVarP(&f.workingDir, "workdir", "w", "", "working folder in the service (default: the service's)")
}

func (f *execFlags) request(words []string) (enclave.ExecRequest, error) {
	request := enclave.ExecRequest{Command: words, User: f.user, WorkingDir: f.workingDir, Env: map[string]string{}}
	for _, text := range f.environment {
		name, value, given := strings.Cut(text, "=")
		if name == "" {
			return request, usage("--env: %q has no name: use NAME=VALUE", text)
		}
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue // As with docker: a variable that is not set here is not set there.
			}
		}
		request.Env[name] = value
	}
	return request, nil
}

func newExec(t *tools) *cobra.Command {
	var backend backendFlag
	var flags execFlags
	var interactive, terminal bool
	command := &cobra.Command{
		Use:   "exec [-it] ENCLAVE SERVICE [--] COMMAND [ARGUMENT...]",
		Short: "Run a command in a service; the exit status is the command's",
		Long: "The command is run without a shell. What it writes to standard output and to standard error stays apart, unless it has\n" +
			"a terminal (-t), where there is one stream only. Flags stand before ENCLAVE.\n\n" +
			"Interrupted without a terminal, sundog ends and the command goes on; with -it the key goes to the command.\n" +
			"Exit status: the command's; 126 when it cannot be executed, 127 when it is not there, 125 when sundog itself failed,\n" +
			"2 when sundog was called wrongly.",
		Example: "  sundog exec dev db -- psql -U postgres -c 'select 1'\n  sundog exec -i dev db -- psql -U postgres < seed.sql\n" +
			"  sundog exec -it dev db psql -U postgres\n  sundog exec -u root -w /tmp -e DEBUG=1 dev api env",
		Args:              cobra.MinimumNArgs(3),
		ValidArgsFunction: t.completeEnclaves(&backend, true),
		RunE: func(command *cobra.Command, args []string) error {
			words := args[2:]
			if words[0] == "--" { // cobra leaves it where it comes after a name.
				words = words[1:]
			}
			if len(words) == 0 {
				return usage("there is no command to run: sundog exec ENCLAVE SERVICE -- COMMAND")
			}
			request, err := flags.request(words)
			if err != nil {
				return err
			}
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			if interactive {
				request.Stdin = command.InOrStdin()
			}
			return runIn(command, carrier, name, args[1], request, terminal)
		},
	}
	// What follows the first name belongs to the command that is run.
	command.Flags().SetInterspersed(false)
	backend.add(command)
	flags.add(command)
	command.Flags().BoolVarP(&interactive, "interactive", "i", false, "pass standard input on")
	command.Flags().BoolVarP(&terminal, "tty", "t", false, "give the command a terminal")
	return command
}

// runIn runs a command in a service and ends as it does.
func runIn(command *cobra.Command, backend enclave.Backend, name, service string, request enclave.ExecRequest, terminal bool) error {
	ctx, cancel := context.WithCancel(command.Context())
	defer cancel()
	request.Stdout, request.Stderr = command.OutOrStdout(), command.ErrOrStderr()
	if terminal {
		restore, err := attachTerminal(ctx, command, &request)
		if err != nil {
			return err
		}
		defer restore()
	}
	result, err := backend.Exec(ctx, name, service, request)
	if err != nil {
		return execError(ctx, backend, name, service, err)
	}
	if result.Code != 0 {
		return &ExitError{Code: result.Code}
	}
	return nil
}

// execError gives a failure that is not the command's own an exit status that tells it apart.
func execError(ctx context.Context, backend enclave.Backend, name, service string, err error) error {
	if ctx.Err() != nil {
		return &ExitError{Code: ExitOwn, Err: errors.New("interrupted; the command may go on in the service")}
	}
	if refused, ok := errors.AsType[*enclave.CommandError](err); ok {
		return &ExitError{Code: refused.Code, Err: err}
	}
	return &ExitError{Code: ExitOwn, Err: missing(ctx, backend, name, service, err)}
}

// attachTerminal joins the user's terminal with the command's: keys go to the command as they are, and so does the size.
func attachTerminal(ctx context.Context, command *cobra.Command, request *enclave.ExecRequest) (restore func(), err error) {
	restore = func() {}
	request.Terminal = &enclave.Terminal{}
	if kind := os.Getenv("TERM"); kind != "" && request.Env["TERM"] == "" {
		request.Env["TERM"] = kind
	}
	if output, ok := terminalOf(command.OutOrStdout()); ok {
		request.Terminal.Size, request.Terminal.Resizes = sizeOf(output), resizes(ctx, output)
	}
	if request.Stdin == nil {
		return restore, nil
	}
	input, ok := terminalOf(request.Stdin)
	if !ok {
		return restore, usage("the input is no terminal: leave -t out (-i alone passes the input on)")
	}
	descriptor := int(input.Fd())
	before, err := term.MakeRaw(descriptor)
	if err != nil {
		return restore, &ExitError{Code: ExitOwn, Err: fmt.Errorf("set the terminal up: %w", err)}
	}
	return func() { _ = term.Restore(descriptor, before) }, nil // If that fails nothing can be done about it.
}
