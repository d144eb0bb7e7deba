package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
)

func newPackageLint() *cobra.Command {
	var sources sourceFlags
	var format formatFlag
	var docstring bool
	var mainFile, mainFunction string
	command := &cobra.Command{
		Use:   "lint [PACKAGE]",
		Short: "Check all files of a package without running them",
		Long: "Checks every Starlark file of the package (default: the working folder): syntax, names that do not exist, arguments that\n" +
			"builtins do not have, relative files that are not there, and docstrings that tell of parameters that do not exist.\n\n" +
			"Exit status: 0 when nothing was found, 1 when something was, 2 when the command was called wrongly.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			asJSON, err := format.json()
			if err != nil {
				return err
			}
			opened, err := sources.open(command.Context(), packageArgument(args))
			if err != nil {
				return err
			}
			findings, err := language.Lint(command.Context(), opened, language.LintOptions{
				MainFile: mainFile, MainFunction: mainFunction, RequireDocstring: docstring,
			})
			if err != nil {
				return failed(err)
			}
			if err := printFindings(command, findings, asJSON); err != nil {
				return failed(err)
			}
			if len(findings) > 0 {
				return &ExitError{Code: ExitFailure}
			}
			return nil
		},
	}
	sources.add(command)
	format.add(command)
	command.Flags().BoolVar(&docstring, "check-docstring", false, "require a docstring that tells of every parameter of the package's function")
	command.Flags().StringVar(&mainFile, "main-file", "", "file that holds the function (default \"main.star\")")
	command.Flags().StringVar(&mainFunction, "main-function", "", "function of the package (default \"run\")")
	return command
}

func printFindings(command *cobra.Command, findings []language.Finding, asJSON bool) error {
	if asJSON {
		type row struct {
			Position string `json:"position"`
			Message  string `json:"message"`
		}
		rows := make([]row, len(findings))
		for i, finding := range findings {
			rows[i] = row{Position: finding.Position.String(), Message: finding.Message}
		}
		encoder := json.NewEncoder(command.OutOrStdout())
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"ok": len(rows) == 0, "findings": rows})
	}
	for _, finding := range findings {
		if _, err := fmt.Fprintf(command.OutOrStdout(), "%s: %s\n", finding.Position, finding.Message); err != nil {
			return err
		}
	}
	return nil
}
