package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// writeJSON writes a command's result as indented JSON.
func writeJSON(command *cobra.Command, document any) error {
	return failed(encodeJSON(command.OutOrStdout(), document))
}

func encodeJSON(to io.Writer, document any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// writeTable writes rows in columns.
func writeTable(command *cobra.Command, rows [][]string) error {
	table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 3, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(table, strings.TrimRight(strings.Join(row, "\t"), "\t")); err != nil {
			return failed(err)
		}
	}
	return failed(table.Flush())
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
