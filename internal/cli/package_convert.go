package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
)

func newPackageConvert() *cobra.Command {
	var sources sourceFlags
	var variables []string
	command := &cobra.Command{
		Use:   "convert [PACKAGE]",
		Short: "Print the Starlark that a Compose file means",
		Long: "PACKAGE is a folder (default: the working folder) or a locator of one, with a Compose file and no kurtosis.yml. What is\n" +
			"printed is exactly what runs when the folder is used as a package, so it can take the file's place as main.star.\n" +
			"What cannot be carried over is told on standard error, with the name of its key.",
		Example: "  sundog package convert ./shop > shop/main.star",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			given := map[string]string{}
			for _, variable := range variables {
				name, value, ok := strings.Cut(variable, "=")
				if !ok {
					value, ok = os.LookupEnv(name)
				}
				if !ok || name == "" {
					return usage("--variable: %q is neither NAME=VALUE nor the name of an environment variable", variable)
				}
				given[name] = value
			}
			opened, err := sources.open(command.Context(), packageArgument(args))
			if err != nil {
				return err
			}
			text, warnings, err := language.Convert(command.Context(), opened, given)
			if err != nil {
				return failed(err)
			}
			for _, warning := range warnings {
				if _, err := fmt.Fprintf(command.ErrOrStderr(), "Warning: %s: %s\n", warning.Position, warning.Message); err != nil {
					return failed(err)
				}
			}
			_, err = fmt.Fprint(command.OutOrStdout(), text)
			return failed(err)
		},
	}
	sources.add(command)
	command.Flags().StringArrayVar(&variables, "variable", nil, "variable of the Compose file, as NAME=VALUE, or NAME for the one in the environment (repeatable)")
	return command
}
