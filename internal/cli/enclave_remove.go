package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

func newEnclaveRemove(t *tools) *cobra.Command {
	var backend backendFlag
	var owner ownerFlag
	var force bool
	command := &cobra.Command{
		Use:     "rm NAME...",
		Aliases: []string{"remove"},
		Short:   "Remove enclaves with everything in them, persistent directories included",
		Long: "It waits for applies that are under way in the enclave. An enclave that is not there is success.\n" +
			"With --force the enclave of another owner is removed as well, and applies are not waited for.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeEnclaves(&backend, false),
		RunE: func(command *cobra.Command, args []string) error {
			mine, err := owner.get()
			if err != nil {
				return err
			}
			var failures []error
			for _, arg := range args {
				carrier, name, err := backend.named(t, arg)
				if err != nil {
					return err
				}
				if err := removeEnclave(command.Context(), carrier, t.telling(carrier, command.ErrOrStderr()), name, mine, force); err != nil {
					failures = append(failures, withForce(err))
					continue
				}
				fmt.Fprintln(command.OutOrStdout(), name)
			}
			return explained(errors.Join(failures...))
		},
	}
	backend.add(command)
	owner.add(command)
	command.Flags().BoolVar(&force, "force", false, "remove enclaves of other owners, too, and do not wait for applies")
	return command
}

func removeEnclave(ctx context.Context, backend, telling enclave.Backend, name, owner string, force bool) error {
	if force {
		return backend.RemoveEnclave(ctx, name)
	}
	found, err := backend.Enclave(ctx, name)
	switch {
	case errors.Is(err, enclave.ErrNotFound):
		return removeLeft(ctx, backend, name, owner)
	case err != nil:
		return err
	case found.Owner != owner:
		return &enclave.OwnedError{Kind: "enclave", Name: name, Owner: found.Owner, CreatedAt: found.CreatedAt}
	}
	return engine.New(telling, engine.Options{}).Dispose(ctx, name, engine.Disposal{Still: func(now *enclave.Enclave) bool { return now.Owner == owner }})
}

// removeLeft removes what an interrupted removal or making of this owner has left.
func removeLeft(ctx context.Context, backend enclave.Backend, name, owner string) error {
	tidy, ok := backend.(enclave.Tidy)
	if !ok {
		return nil
	}
	orphans, err := tidy.Orphans(ctx)
	if err != nil {
		return err
	}
	for _, orphan := range orphans {
		if orphan.Name == name && orphan.Owner != owner && orphan.Owner != "" {
			return &enclave.OwnedError{Kind: "enclave", Name: name, Owner: orphan.Owner, CreatedAt: orphan.CreatedAt}
		}
	}
	return tidy.RemoveOrphan(ctx, name)
}

// withForce gives the remedy that is special to removing.
func withForce(err error) error {
	if owned, ok := errors.AsType[*enclave.OwnedError](err); ok {
		return failed(fmt.Errorf("%w\n\nIf nobody needs it any more: sundog enclave rm --force %s", err, owned.Name))
	}
	return err
}

func newEnclaveStop(t *tools) *cobra.Command {
	return newPause(t, "stop NAME", "Stop all services of an enclave, keeping data and addresses",
		"The service that was started last is stopped first. `sundog enclave start` starts them again; so does the next apply.",
		(*engine.Engine).Stop)
}

func newEnclaveStart(t *tools) *cobra.Command {
	return newPause(t, "start NAME", "Start the services of an enclave that was stopped",
		"Services are started in the order of their earlier start. Those that their plan leaves stopped, and those that have done\n"+
			"their work, stay as they are. Whether they get ready is not waited for.",
		start)
}

func newPause(t *tools, use, short, long string, do func(*engine.Engine, context.Context, string) ([]string, error)) *cobra.Command {
	var backend backendFlag
	var format formatFlag
	command := &cobra.Command{
		Use: use, Short: short,
		Long:              long + "\nIt waits for applies that are under way in the enclave, and prints the services' names.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeEnclaves(&backend, false),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			carrier, name, err := backend.named(t, args[0])
			if err != nil {
				return err
			}
			services, err := do(engine.New(t.telling(carrier, command.ErrOrStderr()), engine.Options{}), command.Context(), name)
			switch {
			case asJSON:
				if writeErr := writeJSON(command, append([]string{}, services...)); writeErr != nil {
					return writeErr
				}
			case len(services) > 0:
				fmt.Fprintln(command.OutOrStdout(), strings.Join(services, "\n"))
			}
			return explained(err)
		},
	}
	backend.add(command)
	format.add(command)
	return command
}
