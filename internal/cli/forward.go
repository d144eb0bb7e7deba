package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
)

func newForward(t *tools) *cobra.Command {
	var backend backendFlag
	var listen string
	command := &cobra.Command{
		Use:   "forward ENCLAVE SERVICE PORT",
		Short: "Make a TCP port of a service reachable on this machine until it is interrupted",
		Long: "PORT is the port's id or its number inside of the enclave; it need not be published. Once it listens it prints the\n" +
			"address, and nothing else, on standard output.",
		Example:           "  sundog forward dev db 5432\n  sundog forward dev db postgres --listen 127.0.0.1:5432",
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: t.completeEnclaves(&backend, true),
		RunE: func(command *cobra.Command, args []string) error {
			address, err := listenAddress(listen)
			if err != nil {
				return err
			}
			carrier, name, err := backend.onService(t, args[0], args[1])
			if err != nil {
				return err
			}
			ctx := command.Context()
			found, err := carrier.Service(ctx, name, args[1])
			if err != nil {
				return explained(err)
			}
			number, transport, err := portOf(found, args[2])
			if err != nil {
				return err
			}
			if transport != "tcp" {
				return failed(fmt.Errorf("port %q of service %q speaks %s, and only TCP can be forwarded", args[2], args[1], strings.ToUpper(transport)))
			}
			listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
			if err != nil {
				return failed(fmt.Errorf("--listen: %w", err))
			}
			if _, err := fmt.Fprintln(command.OutOrStdout(), listener.Addr()); err != nil {
				return failed(errors.Join(err, listener.Close()))
			}
			forwarder := forwarder{
				dial: func(ctx context.Context) (net.Conn, error) {
					return carrier.Dial(ctx, name, args[1], transport, number)
				},
				notices: command.ErrOrStderr(),
			}
			return failed(forwarder.serve(ctx, listener))
		},
	}
	backend.add(command)
	command.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on: HOST:PORT, or PORT on this machine's own address; port 0 is any that is free")
	return command
}

// listenAddress completes an address. Without a host only this machine itself can connect.
func listenAddress(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "127.0.0.1", text
	}
	if number, err := strconv.Atoi(port); err != nil || number < 0 || number > 65535 {
		return "", usage("--listen: %q is no address: use HOST:PORT or PORT", text)
	}
	return net.JoinHostPort(host, port), nil
}

// forwarder joins every connection that it accepts with a new one to a service.
type forwarder struct {
	dial    func(context.Context) (net.Conn, error)
	notices io.Writer
}

// serve ends, without an error, when ctx does; the connections end with it.
func (f *forwarder) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		near, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			cancel()
			return fmt.Errorf("accept a connection on %s: %w", listener.Addr(), err)
		}
		connections.Go(func() { f.join(ctx, near) })
	}
}

func (f *forwarder) join(ctx context.Context, near net.Conn) {
	defer near.Close() //nolint:errcheck // It is over in any case.
	far, err := f.dial(ctx)
	if err != nil {
		// The others go on: the service may come back.
		if ctx.Err() == nil {
			fmt.Fprintln(f.notices, "Warning:", err)
		}
		return
	}
	defer far.Close() //nolint:errcheck // As above.
	stop := context.AfterFunc(ctx, func() {
		_ = near.Close()
		_ = far.Close()
	})
	defer stop()
	var directions sync.WaitGroup
	directions.Go(func() { pass(far, near) })
	directions.Go(func() { pass(near, far) })
	directions.Wait()
}

// pass copies until one side has said all, and tells the other; the opposite direction may go on.
func pass(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
	_ = from.Close()
}
