// Command compatibility plans published packages with the sundog command, offline and from a vendor folder, and compares
// what comes out with what upstream's rules want of each.
//
// It knows nothing of Sundog's insides: it reads what the command prints, as anybody would.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	flags := flag.NewFlagSet("compatibility", flag.ExitOnError)
	sundog := flags.String("sundog", "bin/sundog", "the command to ask")
	vendor := flags.String("vendor", "", "folder with the repositories at <host>/<owner>/<name>")
	repositories := flags.Bool("repositories", false, "print the repositories and commits that the list needs, and do nothing else")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(), "usage: compatibility [-sundog PROGRAM] -vendor DIR LIST   (or: -repositories LIST)")
		flags.PrintDefaults()
	}
	_ = flags.Parse(os.Args[1:]) // it ends the program itself
	if flags.NArg() != 1 || (*vendor == "" && !*repositories) {
		flags.Usage()
		os.Exit(2)
	}
	list, err := readList(flags.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "compatibility:", err)
		os.Exit(2)
	}
	if *repositories {
		for _, repository := range list.repositories() {
			fmt.Println(repository.name, repository.commit)
		}
		return
	}
	if !compare(list, *sundog, *vendor) {
		os.Exit(1)
	}
}

// compare plans every package of the list and prints the table. It tells whether everything is as expected.
func compare(list packageList, sundog, vendor string) bool {
	started := time.Now()
	runner := runner{sundog: sundog, vendor: vendor, commits: list.commits()}
	var results []result
	for _, entry := range list {
		if entry.expectation.verdict == needed {
			continue
		}
		results = append(results, runner.run(context.Background(), entry))
	}
	return report(os.Stdout, results, time.Since(started))
}
