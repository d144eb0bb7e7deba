package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

func newEnclaveRemove(t *tools) *cobra.Command {
	var backend backendFlag
	var owner ownerFlag
	var report reportFlags
	var force bool
	command := &cobra.Command{
		Use:     "rm NAME...",
		Aliases: []string{"remove"},
		Short:   "Remove enclaves with everything in them, persistent directories included",
		Long: "It waits for applies that are under way in the enclave. An enclave that is not there is success.\n" +
			"With --force the enclave of another owner is removed as well, and applies are not waited for.",
		Example:           "  sundog enclave rm dev\n  sundog enclave rm dev feature-1 --lock-timeout 30s",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: t.completeAllEnclaves(&backend),
		RunE: func(command *cobra.Command, args []string) error {
			mine, err := owner.get()
			if err := errors.Join(err, report.check()); err != nil {
				return err
			}
			var failures []error
			for _, arg := range args {
				carrier, name, err := backend.named(t, arg)
				if err != nil {
					return err
				}
				working, end := report.engine(command, carrier)
				err = removeEnclave(command.Context(), carrier, working, name, mine, force)
				end()
				if err != nil {
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
	report.add(command)
	command.Flags().BoolVar(&force, "force", false, "remove enclaves of other owners, too, and do not wait for applies")
	return command
}

func removeEnclave(ctx context.Context, backend enclave.Backend, working *engine.Engine, name, owner string, force bool) error {
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
	return working.Dispose(ctx, name, engine.Disposal{Still: func(now *enclave.Enclave) bool { return now.Owner == owner }})
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
