// Command wirerecorder stands between an AWS endpoint and everything that speaks to it, and writes down each request.
//
// It exists to check Sundog from the outside: whether only reads reached production is read off the wire, not asked of
// the guard that is meant to ensure it. It therefore shares no code with Sundog and knows its own list of reads. It
// refuses nothing and changes nothing: what arrives is passed on as it is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage:
  wirerecorder serve --listen HOST:PORT [--listen HOST:PORT]... --upstream URL --log FILE [--default-account ID]
  wirerecorder summary --log FILE --account ID [--skip LINES]
  wirerecorder count --log FILE
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run carries out one command line and returns the exit code: 0 done, 1 failed or something that was no read was
// found, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = io.WriteString(stderr, usage)
		return 2
	}
	var err error
	switch args[0] {
	case "serve":
		err = serveCommand(ctx, args[1:], stderr)
	case "summary":
		err = summaryCommand(args[1:], stdout, stderr)
	case "count":
		err = countCommand(args[1:], stdout, stderr)
	default:
		err = errUsage
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stderr, usage)
		return 2
	default:
		_, _ = fmt.Fprintln(stderr, "wirerecorder:", err)
		return 1
	}
}

// errUsage is returned for a command line that cannot be understood.
var errUsage = errors.New("wrong usage")

// addresses collects the values of a flag that can be given several times.
type addresses []string

// String implements flag.Value.
func (a *addresses) String() string { return strings.Join(*a, ",") }

// Set implements flag.Value.
func (a *addresses) Set(value string) error {
	*a = append(*a, value)
	return nil
}
