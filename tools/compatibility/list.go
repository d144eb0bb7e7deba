package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// The verdicts that a list can expect.
const (
	// planned: the package yields a plan.
	planned = "ok"
	// refused: upstream's rules forbid the package, and so do we.
	refused = "refused"
	// needed: no package of its own to the list, but other packages import it.
	needed = "needed"
)

// entry is one line of the list.
type entry struct {
	// locator of the package, without a version; of a needed repository with the version that it is asked for.
	locator string
	// commit of its repository.
	commit string
	// arguments are a JSON object, or a file of the repository that holds them; empty means none.
	arguments   string
	expectation expectation
	// note says what upstream's rule is, or what the package needs.
	note string
}

// expectation is what must come out.
type expectation struct {
	verdict string
	// says is what the refusal must contain.
	says string
}

type packageList []entry

// repository is what a vendor folder holds: its place there (with the version after "@" where it is asked for at one) and
// its commit.
type repository struct{ name, commit string }

// readList reads the list: lines of five fields parted by tabs; empty lines and those that begin with # are for people.
func readList(path string) (packageList, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the list: %w", err)
	}
	defer func() { _ = file.Close() }()
	var list packageList
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		entry, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		list = append(list, entry)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the list: %w", err)
	}
	return list, list.check()
}

var (
	locatorPattern = regexp.MustCompile(`^[a-z0-9.-]+\.[a-z]+/[^/@\s]+/[^/@\s]+(/[^@\s]+)?(@[^\s]+)?$`)
	commitPattern  = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

func parseEntry(line string) (entry, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 5 {
		return entry{}, fmt.Errorf("%d fields instead of 5 (package, commit, arguments, expectation, note), parted by tabs", len(fields))
	}
	verdict, says, _ := strings.Cut(fields[3], ": ")
	found := entry{
		locator: fields[0], commit: fields[1], arguments: fields[2], note: fields[4],
		expectation: expectation{verdict: verdict, says: says},
	}
	if found.arguments == "-" {
		found.arguments = ""
	}
	if found.note == "-" {
		found.note = ""
	}
	switch {
	case !locatorPattern.MatchString(found.locator):
		return entry{}, fmt.Errorf("%q is no locator", found.locator)
	case !commitPattern.MatchString(found.commit):
		return entry{}, fmt.Errorf("%q is no full commit", found.commit)
	case verdict != planned && verdict != refused && verdict != needed:
		return entry{}, fmt.Errorf("%q is no expectation: write ok, needed, or refused: and what the refusal says", fields[3])
	case (verdict == refused) != (says != ""):
		return entry{}, errors.New("a refusal, and nothing else, says something after the colon")
	case verdict != needed && strings.Contains(found.locator, "@"):
		return entry{}, errors.New("the commit of a package stands in the second field")
	case strings.HasPrefix(found.arguments, "{") && !json.Valid([]byte(found.arguments)):
		return entry{}, errors.New("the arguments are no JSON")
	case verdict == refused && found.note == "":
		return entry{}, errors.New("a refusal needs a note that says which rule of upstream's it follows")
	}
	return found, nil
}

// check looks at the list as a whole.
func (l packageList) check() error {
	commits := map[string]string{}
	for _, entry := range l {
		name := entry.repository()
		if before, ok := commits[name]; ok && before != entry.commit {
			return fmt.Errorf("%s stands in the list at two commits, %s and %s", name, before, entry.commit)
		}
		commits[name] = entry.commit
	}
	return nil
}

// repository is where the package's repository lies in a vendor folder.
func (e entry) repository() string {
	path, version, versioned := strings.Cut(e.locator, "@")
	name := strings.Join(strings.SplitN(path, "/", 4)[:3], "/")
	if versioned {
		name += "@" + version
	}
	return name
}

// owner is who publishes the package.
func (e entry) owner() string { return strings.SplitN(e.locator, "/", 3)[1] }

// commits gives the commit of each repository by its place in a vendor folder.
func (l packageList) commits() map[string]string {
	commits := map[string]string{}
	for _, entry := range l {
		commits[entry.repository()] = entry.commit
	}
	return commits
}

// repositories gives what a vendor folder must hold, sorted.
func (l packageList) repositories() []repository {
	var all []repository
	for name, commit := range l.commits() {
		all = append(all, repository{name: name, commit: commit})
	}
	slices.SortFunc(all, func(a, b repository) int { return strings.Compare(a.name, b.name) })
	return all
}
