package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

func newPackageLock() *cobra.Command {
	var sources sourceFlags
	var interpretation interpretationFlags
	var how lockFlags
	command := &cobra.Command{
		Use:   "lock [PACKAGE]",
		Short: "Write down which commits a package's locators mean",
		Long: "Writes " + locator.LockName + ": the commit and the digest of every repository that the package (default: the working folder)\n" +
			"uses, and the digest of what URLs give. From then on the package is interpreted with exactly these.\n" +
			"The file lies in the package's folder, or in the working folder for a remote package.\n\n" +
			"What is there already is kept, so that several sets of arguments and several remote packages can share one file.\n" +
			"--upgrade looks everything up again, --prune drops what this package does not need.\n\n" +
			"Exit status: 0 when the file is current, 1 when the package is wrong or --check found a difference, 2 when the command was called wrongly.",
		Example: "  sundog package lock ./shop\n  sundog package lock --check ./shop\n  sundog package lock github.com/owner/repository@v1 --args-file args.json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			request, err := interpretation.request(command.InOrStdin())
			if err != nil {
				return err
			}
			file, err := lockFile(command.Context(), sources, packageArgument(args))
			if err != nil {
				return err
			}
			older, err := locator.ReadLock(file)
			switch {
			case errors.Is(err, locator.ErrNotFound):
				older = locator.NewLock()
				sources.lockFile = ""
			case err != nil:
				return failed(err)
			default:
				sources.lockFile = file
			}
			options := sources.options()
			options.Refresh = how.upgrade
			resolver := locator.New(options)
			opened, err := gather(command, resolver, packageArgument(args), request)
			if err != nil {
				return err
			}
			lock, err := how.lock(command.Context(), resolver, opened, older)
			if err != nil {
				return failed(err)
			}
			return how.finish(command, file, lock, older)
		},
	}
	sources.addFetching(command)
	sources.addLock(command)
	interpretation.add(command)
	command.Flags().BoolVar(&how.upgrade, "upgrade", false, "look up again what branches, tags and URLs mean now")
	command.Flags().BoolVar(&how.prune, "prune", false, "drop entries that this package does not need with these arguments")
	command.Flags().BoolVar(&how.check, "check", false, "write nothing, and fail if the file would change")
	return command
}

// lockFlags say what becomes of entries that are there already.
type lockFlags struct{ upgrade, prune, check bool }

// lockFile tells where a package's lock file lies. Finding out must not depend on what stands in it.
func lockFile(ctx context.Context, sources sourceFlags, where string) (string, error) {
	if sources.lockFile != "" {
		return sources.lockFile, nil
	}
	folder, err := workingFolder()
	if err != nil {
		return "", err
	}
	local, err := locator.Folder(where, folder)
	if err != nil {
		return "", failed(err)
	}
	if local != "" {
		folder = local
	}
	return filepath.Join(folder, locator.LockName), ctx.Err()
}

// lock puts the new lock together.
func (f *lockFlags) lock(ctx context.Context, resolver *locator.Resolver, opened *locator.Package, older *locator.Lock) (*locator.Lock, error) {
	lock, err := opened.Pins(ctx)
	if err != nil || f.prune {
		return lock, err
	}
	if !f.upgrade {
		return lock.Merge(older), nil
	}
	for _, key := range slices.Sorted(maps.Keys(older.Repositories)) {
		if _, met := lock.Repositories[key]; met {
			continue
		}
		if lock.Repositories[key], err = resolver.Pin(ctx, key); err != nil {
			return nil, fmt.Errorf("%w (--prune drops entries that the package does not need)", err)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(older.Files)) {
		if _, met := lock.Files[address]; met {
			continue
		}
		if lock.Files[address], err = resolver.PinFile(ctx, address); err != nil {
			return nil, fmt.Errorf("%w (--prune drops entries that the package does not need)", err)
		}
	}
	return lock, nil
}

func (f *lockFlags) finish(command *cobra.Command, file string, lock, older *locator.Lock) error {
	for _, change := range lock.Changes(older) {
		fmt.Fprintln(command.OutOrStdout(), change)
	}
	switch {
	case lock.Equal(older):
		return nil
	case f.check:
		return failed(fmt.Errorf("%s is not current: run \"sundog package lock\"", file))
	}
	return failed(lock.Write(file))
}
