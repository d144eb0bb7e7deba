package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// tally counts the requests of one operation.
type tally struct {
	service, operation string
	count              int
	read               bool
	first              Entry
}

// summaryCommand prints what one account's credentials were used for, and fails if anything of it was not a read.
func summaryCommand(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("summary", flag.ContinueOnError)
	flags.SetOutput(stderr)
	logPath := flags.String("log", "", "file that the recorder wrote")
	account := flags.String("account", "", "account whose credentials are looked at")
	skip := flags.Int("skip", 0, "how many lines at the log's beginning are passed over")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *logPath == "" || *account == "" {
		return errUsage
	}
	tallies, err := tallyLog(*logPath, *account, *skip)
	if err != nil {
		return err
	}
	return report(stdout, *account, tallies)
}

// tallyLog counts by service and operation, sorted by both.
func tallyLog(path, account string, skip int) ([]*tally, error) {
	table := readTable()
	type name struct{ service, operation string }
	found := map[name]*tally{}
	var all []*tally
	_, err := readLog(path, skip, func(entry Entry) {
		if entry.Account != account {
			return
		}
		key := name{entry.Service, entry.Operation}
		if found[key] == nil {
			found[key] = &tally{
				service: entry.Service, operation: entry.Operation, first: entry,
				read: isRead(table, entry.Service, entry.Operation),
			}
			all = append(all, found[key])
		}
		found[key].count++
	})
	slices.SortFunc(all, func(a, b *tally) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.operation, b.operation))
	})
	return all, err
}

// report prints the tallies. An account without a single request is an error: it shows nothing, and is more likely a
// wrong account id or a recorder that was passed by.
func report(out io.Writer, account string, tallies []*tally) error {
	_, _ = fmt.Fprintf(out, "requests with credentials of account %s:\n", account)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var total, others int
	for _, t := range tallies {
		kind := "read"
		if !t.read {
			kind = "NOT A READ"
			others += t.count
		}
		total += t.count
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%d\t%s\n", t.service, t.operation, t.count, kind)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the summary: %w", err)
	}
	_, _ = fmt.Fprintf(out, "%d requests, %d reads, %d others\n", total, total-others, others)
	if total == 0 {
		return fmt.Errorf("no request with credentials of account %s was recorded, which shows nothing", account)
	}
	if others > 0 {
		for _, t := range tallies {
			if !t.read {
				_, _ = fmt.Fprintf(out, "not a read: %s:%s, %d times, first at %s: %s %s -> %d\n", t.service, t.operation,
					t.count, t.first.Time.Format("15:04:05.000"), t.first.Method, t.first.Path, t.first.Status)
			}
		}
		return fmt.Errorf("%d requests with credentials of account %s were not reads", others, account)
	}
	return nil
}

// countCommand prints how many requests the log holds, to be given to summary's -skip later.
func countCommand(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("count", flag.ContinueOnError)
	flags.SetOutput(stderr)
	logPath := flags.String("log", "", "file that the recorder wrote")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *logPath == "" {
		return errUsage
	}
	lines, err := readLog(*logPath, 0, func(Entry) {})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(stdout, lines)
	return nil
}
