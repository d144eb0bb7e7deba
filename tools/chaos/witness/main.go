// Witness is the program of the services that chaos runs. It answers over HTTP what its container holds, and ends at once
// when it is asked to.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 || os.Args[1] != "serve" {
		fmt.Fprintln(os.Stderr, "usage: witness serve")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(answer), ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case <-ctx.Done():
		stop()
	case err := <-failed:
		stop()
		fmt.Fprintln(os.Stderr, "witness:", err)
		os.Exit(1)
	}
}

// answer knows /env/NAME and /file/PATH.
func answer(w http.ResponseWriter, r *http.Request) {
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch what {
	case "env":
		fmt.Fprint(w, os.Getenv(rest)) //nolint:gosec // No browser reads it.
	case "file":
		content, err := os.ReadFile("/" + rest)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(content) //nolint:gosec // As above.
	default:
		http.NotFound(w, r)
	}
}
