package cli

import (
	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/preview"
)

func newPackagePlan() *cobra.Command {
	var sources sourceFlags
	var interpretation interpretationFlags
	var format formatFlag
	command := &cobra.Command{
		Use:   "plan PACKAGE",
		Short: "Show what a package would do, without doing it",
		Long: "PACKAGE is a folder, or a locator such as github.com/owner/repository/folder@version.\n\n" +
			"What only the running environment can tell reads {{service.field}}. Nothing is started and no engine is needed.\n" +
			"Exit status: 0 when the package yields a plan, 1 when it is wrong, 2 when the command was called wrongly.",
		Example: "  sundog package plan ./shop --args '{\"replicas\": 2}'\n" +
			"  sundog package plan github.com/owner/repository@v1 --format json",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			request, err := interpretation.request(command.InOrStdin())
			if err != nil {
				return err
			}
			resolver, err := sources.resolver()
			if err != nil {
				return err
			}
			folder, err := workingFolder()
			if err != nil {
				return err
			}
			document, err := preview.Package(command.Context(), resolver, args[0], folder, request)
			switch {
			case asJSON:
				if writeErr := document.WriteJSON(command.OutOrStdout()); writeErr != nil {
					return failed(writeErr)
				}
				if err != nil {
					return &ExitError{Code: ExitFailure}
				}
				return nil
			case err != nil:
				return failed(err)
			}
			return failed(document.WriteText(command.OutOrStdout()))
		},
	}
	sources.add(command)
	interpretation.add(command)
	format.add(command)
	return command
}
