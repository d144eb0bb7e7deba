// Registry is an image registry for tests: the reference implementation, with its storage in memory and a password file.
//
//	registry HTPASSWD-FILE [NETWORK-NAMESPACE-FILE]
//
// It listens on a free port of this machine alone, prints its address, and ends when its standard input does, so that
// it never outlives the test that has started it. With a network namespace (/proc/ID/ns/net) it listens on the same loopback
// address there too: engines and nodes take a registry on their own loopback address without encryption.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) < 1 || len(arguments) > 2 {
		return errors.New("usage: registry HTPASSWD-FILE [NETWORK-NAMESPACE-FILE]")
	}
	logrus.SetOutput(io.Discard)
	listeners, err := listen(ctx, arguments[1:])
	if err != nil {
		return err
	}
	settings := &configuration.Configuration{
		Version: configuration.CurrentVersion,
		Storage: configuration.Storage{"inmemory": nil},
		Auth:    configuration.Auth{"htpasswd": {"realm": "test", "path": arguments[0]}},
	}
	settings.Catalog.MaxEntries = 100
	server := &http.Server{Handler: handlers.NewApp(ctx, settings), ReadHeaderTimeout: time.Minute}
	fmt.Println(listeners[0].Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	ended := make(chan error, len(listeners))
	for _, listener := range listeners {
		go func() { ended <- server.Serve(listener) }()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// attempts is how many ports are tried that may be taken in the other namespace.
const attempts = 10

// listen gives listeners on one port of this namespace and of the others.
func listen(ctx context.Context, networks []string) (listeners []net.Listener, err error) {
	for range attempts {
		var own net.Listener
		if own, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		listeners = []net.Listener{own}
		for _, network := range networks {
			var other net.Listener
			if other, err = listenIn(ctx, network, own.Addr().String()); err != nil {
				break
			}
			listeners = append(listeners, other)
		}
		if err == nil {
			return listeners, nil
		}
		for _, listener := range listeners {
			_ = listener.Close()
		}
	}
	return nil, err
}
