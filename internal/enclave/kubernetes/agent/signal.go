//go:build linux

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// awaitTermination returns when the process is asked to end.
func awaitTermination() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
}
