package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
)

func newPackageReference() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print the reference of the package language as Markdown",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := io.WriteString(command.OutOrStdout(), language.Reference())
			return err
		},
	}
}
