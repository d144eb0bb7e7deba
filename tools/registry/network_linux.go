package main

import (
	"context"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// listenIn listens in another network namespace, which a file stands for (/proc/ID/ns/net). A socket stays in the namespace
// that it was made in, whoever uses it.
func listenIn(ctx context.Context, network, address string) (net.Listener, error) {
	there, err := os.Open(network)
	if err != nil {
		return nil, err
	}
	defer there.Close() //nolint:errcheck // It is only read.
	// The thread is not given back: nobody else must find itself in that namespace.
	type result struct {
		listener net.Listener
		err      error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			results <- result{nil, &os.PathError{Op: "enter", Path: network, Err: err}}
			return
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		results <- result{listener, err}
	}()
	made := <-results
	return made.listener, made.err
}
