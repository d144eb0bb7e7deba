package serve

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/settings"
)

// Program is what one of the shop's programs does, given its settings and, for a sub-command, its arguments.
type Program func(ctx context.Context, logger *slog.Logger, environment *settings.Reader, port string) error

// Main runs a program and returns its exit code. Each has the sub-command "healthcheck"; more can be given.
func Main(name string, program Program, commands map[string]Program) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("program", name)
	environment := settings.From(os.LookupEnv)
	port := environment.Optional("PORT", "8080")

	if len(os.Args) > 1 {
		command, found := commands[os.Args[1]]
		if os.Args[1] == "healthcheck" {
			command, found = healthcheck, true
		}
		if !found {
			fmt.Fprintf(os.Stderr, "%s: no such command %q\n", name, os.Args[1])
			return 2
		}
		program = command
	}
	if err := program(ctx, logger, environment, port); err != nil {
		logger.Error("cannot go on", "error", err.Error())
		return 1
	}
	return 0
}

func healthcheck(ctx context.Context, _ *slog.Logger, _ *settings.Reader, port string) error {
	return CheckHealth(ctx, port)
}
