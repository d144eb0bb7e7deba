package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	forwarding "github.com/sundog-dev/terraform-provider-sundog/internal/enclave/forward"
)

// forwardDocument is one port that is forwarded.
type forwardDocument struct {
	Service   string `json:"service"`
	ID        string `json:"id"`
	Number    int    `json:"number"`
	Transport string `json:"transport_protocol"`
	Host      string `json:"host"`
	HostPort  int    `json:"host_port"`
}

// forwarded is one port that is asked for.
type forwarded struct {
	local     int
	id        string
	number    int
	transport string // "tcp" or "udp"
}

func newForward(t *tools) *cobra.Command {
	var backend backendFlag
	var format formatFlag
	var address string
	command := &cobra.Command{
		Use:   "forward ENCLAVE SERVICE [LOCAL:]PORT...",
		Short: "Make ports of a service reachable on this machine until it is interrupted",
		Long: "PORT is the port's id or its number inside of the enclave; it need not be published, and with /udp it is one of UDP.\n" +
			"LOCAL is the port on this machine: the same number where it is left out, and any that is free for \":PORT\" or 0.\n\n" +
			"Every connection looks for the service anew, so that it may be replaced or restarted meanwhile; a connection that comes\n" +
			"while it is away waits for it a while. Once all ports listen, each is printed on a line of standard output.",
		Example: "  sundog forward dev db 5432\n  sundog forward dev db 15432:sql :metrics\n  sundog forward dev dns 5353:53/udp\n" +
			"  sundog forward dev api :http --format json",
		Args:              cobra.MinimumNArgs(3),
		ValidArgsFunction: t.completePorts(&backend),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			if net.ParseIP(address) == nil {
				return usage("--address: %q is no IP address", address)
			}
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			found, err := carrier.Service(command.Context(), name, args[1])
			if err != nil {
				return missing(command.Context(), carrier, name, args[1], err)
			}
			wanted, err := parseForwardings(found, args[2:])
			if err != nil {
				return err
			}
			return failed(forward(command, carrier, name, args[1], address, wanted, asJSON))
		},
	}
	backend.add(command)
	format.add(command)
	command.Flags().StringVar(&address, "address", "127.0.0.1", "address of this machine to listen on; 0.0.0.0 lets other machines connect")
	return command
}

func parseForwardings(found *enclave.Service, texts []string) ([]forwarded, error) {
	var wanted []forwarded
	for _, text := range texts {
		local, port, given := strings.Cut(text, ":")
		if !given {
			local, port = "same", text
		}
		number, id, transport, err := portOf(found, port)
		if err != nil {
			return nil, err
		}
		next := forwarded{number: number, id: id, transport: transport, local: number}
		if given {
			if next.local, err = localPort(local); err != nil {
				return nil, usage("%s: %w", text, err)
			}
		}
		if transport != "tcp" && transport != "udp" {
			return nil, failed(fmt.Errorf("port %q of service %q speaks %s, and only TCP and UDP can be forwarded", port, found.Name, strings.ToUpper(transport)))
		}
		wanted = append(wanted, next)
	}
	return wanted, nil
}

func localPort(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 || number > 65535 {
		return 0, fmt.Errorf("%q is no port of this machine: use LOCAL:PORT with LOCAL from 0 to 65535", text)
	}
	return number, nil
}

// portOf gives the number, id and transport of a port that a service declares, or of any port by its number.
func portOf(found *enclave.Service, wanted string) (number int, id, transport string, err error) {
	target, err := forwarding.Find(found, wanted)
	unknown, isUnknown := errors.AsType[*forwarding.UnknownPortError](err)
	switch {
	case isUnknown:
		unknown.Hint = didYouMean(unknown.Wanted, unknown.Known)
		return 0, "", "", failed(unknown)
	case err != nil:
		return 0, "", "", usage("%w", err)
	}
	return target.Number, target.ID, target.Transport, nil
}

// forward listens for all ports, tells where, and serves until the command's context ends.
func forward(command *cobra.Command, backend enclave.Backend, name, service, address string, wanted []forwarded, asJSON bool) error {
	group, ctx := errgroup.WithContext(command.Context())
	var served []func() error
	var closers []func() error
	documents := []forwardDocument{}
	for _, next := range wanted {
		forwarder := &forwarding.Forwarder{
			Dial: func(ctx context.Context) (net.Conn, error) {
				return backend.Dial(ctx, name, service, next.transport, next.number)
			},
			Waiting: func(err error) { fmt.Fprintf(command.ErrOrStderr(), "Waiting for the service: %v\n", err) },
			Failed:  func(err error) { fmt.Fprintln(command.ErrOrStderr(), "Warning:", err) },
		}
		local, serve, closer, err := forwarder.Listen(ctx, next.transport, net.JoinHostPort(address, strconv.Itoa(next.local)))
		if err != nil {
			for _, closer := range closers {
				err = errors.Join(err, closer())
			}
			return listenError(err, next, address)
		}
		served, closers = append(served, serve), append(closers, closer)
		host, text, err := net.SplitHostPort(local.String())
		if err != nil {
			return err
		}
		number, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		documents = append(documents, forwardDocument{service, next.id, next.number, strings.ToUpper(next.transport), host, number})
	}
	for _, serve := range served {
		group.Go(serve)
	}
	if err := writeForwards(command, documents, asJSON); err != nil {
		return err
	}
	return group.Wait()
}

func writeForwards(command *cobra.Command, documents []forwardDocument, asJSON bool) error {
	if asJSON {
		return writeJSON(command, documents)
	}
	for _, document := range documents {
		text := fmt.Sprintf("%s -> %s %d/%s", net.JoinHostPort(document.Host, strconv.Itoa(document.HostPort)), document.Service, document.Number, strings.ToLower(document.Transport))
		if document.ID != "" {
			text += " (" + document.ID + ")"
		}
		if _, err := fmt.Fprintln(command.OutOrStdout(), text); err != nil {
			return failed(err)
		}
	}
	return nil
}

// listenError says what can be done about a local port that is not to be had.
func listenError(err error, wanted forwarded, address string) error {
	other := fmt.Sprintf("choose another one, as in %d:%d, or any that is free: :%d", wanted.local%50000+10000, wanted.number, wanted.number)
	return forwarding.ListenError(err, address, wanted.local, other)
}
