// Package cli is the companion command: the same binary as the provider, started by a person instead of a Terraform CLI.
package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// New makes the root command.
func New(version string) *cobra.Command {
	root := &cobra.Command{
		Use:   "sundog",
		Short: "Isolated environments out of a team's own containers and copies of cloud services",
		Long: "Sundog is a provider for Terraform and OpenTofu, which start this program by themselves.\n" +
			"Started by hand it is the companion command.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(&cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "sundog %s\n", version)
			return err
		},
	})
	return root
}
