package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

func newPackageVendor() *cobra.Command {
	var sources sourceFlags
	var interpretation interpretationFlags
	var directory string
	var keep bool
	command := &cobra.Command{
		Use:   "vendor [PACKAGE] --dir DIR",
		Short: "Copy everything that a package needs into a folder",
		Long: "Puts every repository that the package (default: the working folder) needs into DIR/<host>/<owner>/<repository>, the package\n" +
			"itself included if it is a remote one; a second version of a repository goes to <repository>@<version>. What URLs give goes\n" +
			"to DIR/files. DIR/" + locator.VendorListName + " notes the commits and digests, which are checked whenever the folder is used.\n\n" +
			"With --vendor DIR (or the provider's packages.vendor_dir) nothing is fetched. A lock file is honoured. What an earlier call put\n" +
			"into DIR and is no longer needed is removed, unless --keep is given; nothing else in DIR is touched.",
		Example: "  sundog package vendor ./shop --dir vendor\n  sundog package plan ./shop --vendor vendor",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if directory == "" {
				return usage("--dir: say which folder the repositories go into")
			}
			request, err := interpretation.request(command.InOrStdin())
			if err != nil {
				return err
			}
			opened, err := gather(command, locator.New(sources.options()), packageArgument(args), request)
			if err != nil {
				return err
			}
			report, err := opened.Vendor(command.Context(), directory, keep)
			if err != nil {
				return failed(err)
			}
			for _, group := range []struct {
				sign  string
				names []string
			}{{"+", report.Added}, {"=", report.Kept}, {"-", report.Removed}} {
				for _, name := range group.names {
					fmt.Fprintln(command.OutOrStdout(), group.sign, name)
				}
			}
			for _, name := range report.Left {
				fmt.Fprintf(command.ErrOrStderr(), "Warning: %s is no longer needed, but was changed since it was written: remove it by hand\n", name)
			}
			return nil
		},
	}
	sources.addFetching(command)
	sources.addLock(command)
	command.Flags().BoolVar(&sources.locked, "locked", isSet("SUNDOG_PACKAGES_LOCKED"), "use only what the lock file says")
	interpretation.add(command)
	command.Flags().StringVar(&directory, "dir", "", "folder to write into")
	command.Flags().BoolVar(&keep, "keep", false, "keep what earlier calls put there for other packages or arguments")
	return command
}
