package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

func newEnclaveStop(t *tools) *cobra.Command {
	call := pauseCall{tools: t, do: (*engine.Engine).Stop}
	command := call.command("stop NAME", "Stop all services of an enclave, keeping data and addresses",
		"Files, persistent directories, names, addresses and host ports stay. Those that the plan starts last are asked to end\n"+
			"first, and several end at the same time. `sundog enclave start` starts them again; so does the next apply.")
	command.Example = "  sundog enclave stop dev"
	return command
}

func newEnclaveStart(t *tools) *cobra.Command {
	wait := true
	call := pauseCall{tools: t, do: func(working *engine.Engine, ctx context.Context, name string) ([]string, error) {
		return working.Start(ctx, name, wait)
	}}
	command := call.command("start NAME", "Start the services of an enclave that was stopped",
		"They start in the order of their plans, those of one batch together, and each waits until the ports of those before it\n"+
			"are open that the plan waits for; --wait=false only starts them. Ready conditions, which stand in the package, are the\n"+
			"next `sundog run`'s. What its plan leaves stopped, and what has done its work, stays as it is.")
	command.Example = "  sundog enclave start dev\n  sundog enclave start dev --wait=false"
	command.Flags().BoolVar(&wait, "wait", true, "wait until the ports are open that the plan waits for")
	return command
}

// pauseCall is how an enclave is stopped or started.
type pauseCall struct {
	tools   *tools
	backend backendFlag
	format  formatFlag
	report  reportFlags
	do      func(*engine.Engine, context.Context, string) ([]string, error)
}

func (c *pauseCall) command(use, short, long string) *cobra.Command {
	command := &cobra.Command{
		Use: use, Short: short,
		Long:              long + "\nIt waits for applies that are under way in the enclave, and prints the services' names.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.tools.completeEnclaves(&c.backend, false),
		RunE:              func(command *cobra.Command, args []string) error { return c.run(command, args[0]) },
	}
	c.backend.add(command)
	c.format.add(command)
	c.report.add(command)
	return command
}

func (c *pauseCall) run(command *cobra.Command, argument string) error {
	asJSON, err := c.format.json()
	if err != nil {
		return err
	}
	if err := c.report.check(); err != nil {
		return err
	}
	carrier, name, err := c.backend.named(c.tools, argument)
	if err != nil {
		return err
	}
	working, end := c.report.engine(command, carrier)
	services, err := c.do(working, command.Context(), name)
	end()
	switch {
	case asJSON:
		if writeErr := writeJSON(command, append([]string{}, services...)); writeErr != nil {
			return writeErr
		}
	case len(services) > 0:
		fmt.Fprintln(command.OutOrStdout(), strings.Join(services, "\n"))
	}
	return missing(command.Context(), carrier, name, "", err)
}
