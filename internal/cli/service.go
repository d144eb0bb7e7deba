package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// onService finds the service that a command is about.
func (f *backendFlag) onService(t *tools, enclaveName, service string) (enclave.Backend, string, error) {
	carrier, name, err := f.named(t, enclaveName)
	if err != nil {
		return nil, "", err
	}
	if err := enclave.CheckServiceName(service); err != nil {
		return nil, "", &ExitError{Code: ExitUsage, Err: err}
	}
	return carrier, name, nil
}

func newLogs(t *tools) *cobra.Command {
	var backend backendFlag
	var options enclave.LogOptions
	var since string
	command := &cobra.Command{
		Use:               "logs ENCLAVE SERVICE",
		Short:             "Print what a service has written, oldest first",
		Example:           "  sundog logs dev api --tail 50\n  sundog logs dev api -f --since 10m",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: t.completeEnclaves(&backend, true),
		RunE: func(command *cobra.Command, args []string) error {
			if command.Flags().Changed("tail") && options.Tail < 1 {
				return usage("--tail: it must be at least 1")
			}
			var err error
			if options.Since, err = parseSince(since, t.now()); err != nil {
				return err
			}
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			stream, err := carrier.Logs(command.Context(), name, args[1], options)
			if err != nil {
				return explained(err)
			}
			defer stream.Close() //nolint:errcheck // It was read.
			_, err = io.Copy(command.OutOrStdout(), stream)
			if options.Follow && command.Context().Err() != nil {
				return nil // Whoever follows a log ends it by an interruption.
			}
			return failed(err)
		},
	}
	backend.add(command)
	command.Flags().BoolVarP(&options.Follow, "follow", "f", false, "go on until the service ends or you interrupt")
	command.Flags().IntVar(&options.Tail, "tail", 0, "number of last lines (default: all)")
	command.Flags().StringVar(&since, "since", "", "only what is younger: a time span such as 10m, or a time (RFC 3339)")
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

func newExec(t *tools) *cobra.Command {
	var backend backendFlag
	var environment map[string]string
	var interactive bool
	command := &cobra.Command{
		Use:   "exec ENCLAVE SERVICE -- COMMAND [ARGUMENT...]",
		Short: "Run a command in a service; the exit status is the command's",
		Long: "The command is run without a shell and without a terminal; its output and its errors come in one stream.\n" +
			"Exit status: the command's, 1 when it could not be run, 2 when sundog was called wrongly.",
		Example:           "  sundog exec dev db -- psql -U postgres -c 'select 1'\n  sundog exec -i dev db -- psql -U postgres < seed.sql",
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
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			request := enclave.ExecRequest{Command: words, Env: environment, Output: command.OutOrStdout()}
			if interactive {
				request.Stdin = command.InOrStdin()
			}
			result, err := carrier.Exec(command.Context(), name, args[1], request)
			if err != nil {
				return explained(err)
			}
			if result.Code != 0 {
				return &ExitError{Code: result.Code}
			}
			return nil
		},
	}
	// What follows the first name belongs to the command that is run.
	command.Flags().SetInterspersed(false)
	backend.add(command)
	command.Flags().BoolVarP(&interactive, "interactive", "i", false, "pass standard input on")
	command.Flags().StringToStringVarP(&environment, "env", "e", nil, "environment variable of the command, NAME=VALUE; may be repeated")
	return command
}

func newPort(t *tools) *cobra.Command {
	var backend backendFlag
	var format formatFlag
	command := &cobra.Command{
		Use:   "port ENCLAVE SERVICE [PORT-ID]",
		Short: "Print where a service's ports are reached from this machine",
		Long: "With PORT-ID (or the port's number) it prints host:port and nothing else, for scripts. A port that is not published is\n" +
			"a failure then: `sundog forward` reaches it.",
		Example:           "  curl http://$(sundog port dev api http)/",
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: t.completeEnclaves(&backend, true),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			found, err := carrier.Service(command.Context(), name, args[1])
			if err != nil {
				return explained(err)
			}
			ports := describePorts(found.Ports)
			if len(args) == 3 {
				port, err := findPort(found.Name, ports, args[2])
				if err != nil {
					return failed(err)
				}
				if port.HostPort == 0 {
					return failed(fmt.Errorf("port %q (%s) of service %q is not published: `sundog forward %s %s %s` reaches it", port.ID, port.inside(), found.Name, name, found.Name, port.ID))
				}
				if asJSON {
					return writeJSON(command, port)
				}
				_, err = fmt.Fprintln(command.OutOrStdout(), port.address())
				return failed(err)
			}
			if asJSON {
				return writeJSON(command, ports)
			}
			var rows [][]string
			for _, port := range ports {
				rows = append(rows, []string{port.ID, port.inside(), orDash(port.Application), orDash(port.address())})
			}
			return writeTable(command, rows)
		},
	}
	backend.add(command)
	format.add(command)
	return command
}

// findPort finds a port by its id or its number.
func findPort(service string, ports []portDocument, wanted string) (portDocument, error) {
	var known []string
	for _, port := range ports {
		if port.ID == wanted || strconv.Itoa(port.Number) == wanted {
			return port, nil
		}
		known = append(known, port.ID)
	}
	if len(known) == 0 {
		return portDocument{}, fmt.Errorf("service %q has no ports", service)
	}
	return portDocument{}, fmt.Errorf("service %q has no port %q; it has %s", service, wanted, strings.Join(known, ", "))
}

// portOf gives the number and transport of a port that a service declares, or of any TCP port by its number.
func portOf(found *enclave.Service, wanted string) (number int, transport string, err error) {
	port, err := findPort(found.Name, describePorts(found.Ports), wanted)
	if err == nil {
		return port.Number, strings.ToLower(port.Transport), nil
	}
	number, numberErr := strconv.Atoi(wanted)
	if numberErr != nil {
		return 0, "", failed(err)
	}
	if number < 1 || number > 65535 {
		return 0, "", usage("%d is no port: ports are 1 to 65535", number)
	}
	return number, "tcp", nil
}
