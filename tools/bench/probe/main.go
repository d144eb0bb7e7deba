// Command probe is what the benchmark runs in its containers: it accepts connections on a port until it is asked to end.
// It also stands for the smallest Go program when start-up times are compared.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	address := flag.String("listen", ":8080", "address to listen on")
	version := flag.Bool("version", false, "print the version and end")
	flag.Parse()
	if *version {
		fmt.Println("probe 1")
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, *address)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// serve accepts and ends connections until the context ends.
func serve(ctx context.Context, address string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() }) // Accept tells it.
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // It was asked to end.
		case err != nil:
			return err
		}
		_ = conn.Close() // whoever connects only wants to see that somebody is there
	}
}
