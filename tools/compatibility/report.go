package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// report prints the table, what is not as expected, and the count. It tells whether everything is as expected; a list
// without packages is not.
func report(out io.Writer, results []result, took time.Duration) bool {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "package\tcommit\targuments\tverdict\tservices\tinstructions\tms")
	packages, owners, count, unmet := map[string]bool{}, map[string]bool{}, map[string]int{}, 0
	for _, r := range results {
		verdict := r.verdict
		if r.problem != "" {
			verdict += " (UNEXPECTED)"
			unmet++
		} else {
			count[verdict]++
		}
		packages[r.entry.locator], owners[r.entry.owner()] = true, true
		_, _ = fmt.Fprintf(table, "%s\t%.12s\t%s\t%s\t%d\t%d\t%d\n", r.entry.locator, r.entry.commit, short(r.entry.arguments), verdict,
			r.services, r.instructions, r.took.Milliseconds())
	}
	_ = table.Flush()
	for _, r := range results {
		if r.problem != "" {
			_, _ = fmt.Fprintf(out, "\n%s %s: %s\n", r.entry.locator, r.entry.arguments, r.problem)
		}
	}
	_, _ = fmt.Fprintf(out, "\n%d runs of %d packages of %d authors in %s\n", len(results), len(packages), len(owners), took.Round(time.Second/10))
	_, _ = fmt.Fprintf(out, "%d ok, %d refused as upstream's rules want it, %d not as expected\n", count[planned], count[refused], unmet)
	return unmet == 0 && len(results) > 0
}

// short keeps the table's lines readable.
func short(arguments string) string {
	const width = 40
	if runes := []rune(arguments); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return arguments
}
