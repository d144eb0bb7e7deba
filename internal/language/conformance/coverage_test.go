package conformance

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/syntax"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
)

// sections of the reference that the suite is about.
var sections = strings.Fields(`1.2 1.3 1.4 1.5 1.6 1.7 1.8 2.1 2.2 2.3
	2.4.1 2.4.2 2.4.3 2.4.4 2.4.5 2.4.6 2.4.7 2.4.8 2.4.9 2.4.10 2.4.11 2.4.12 2.4.13 2.4.14 2.4.15 2.4.16 2.4.17
	2.5 3.1 3.2 3.3 3.4 3.5 4.1 4.2 4.8 6.3 9 B C`)

// points is the number of points in the reference's section 10, "easy to get wrong".
const points = 50

// TestCoverage fails for every part of the language that no case is about.
func TestCoverage(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	claimed := map[string]bool{}
	for _, c := range allCases(t) {
		found := c.uses(t)
		for token := range found {
			covered[token] = true
		}
		if len(c.covers) == 0 {
			t.Errorf("%s says not what it covers", c.path)
		}
		for _, claim := range c.covers {
			claimed[claim] = true
			if !isSection(claim) && !found[claim] {
				t.Errorf("%s claims to cover %q, and does not", c.path, claim)
			}
		}
	}
	for _, section := range sections {
		if !claimed[section] {
			t.Errorf("no case covers section %s", section)
		}
	}
	exceptions := readExceptions(t)
	for n := 1; n <= points; n++ {
		point := fmt.Sprintf("10.%d", n)
		switch _, excepted := exceptions[point]; {
		case !claimed[point] && !excepted:
			t.Errorf("no case covers point %s, and testdata/exceptions.txt does not say why", point)
		case claimed[point] && excepted:
			t.Errorf("point %s is covered and excepted", point)
		}
	}
	for _, token := range required() {
		if !covered[token] {
			t.Errorf("no case covers %s", token)
		}
	}
}

func isSection(claim string) bool {
	return slices.Contains(sections, claim) || regexp.MustCompile(`^10\.\d+$`).MatchString(claim)
}

// readExceptions reads what no case can cover, with the reasons.
func readExceptions(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "exceptions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	exceptions := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := lines.Text(); line != "" && line[0] != '#' {
			point, reason, found := strings.Cut(line, ": ")
			if !found || len(reason) < 20 {
				t.Errorf("exceptions.txt: %q names no reason", line)
			}
			exceptions[point] = reason
		}
	}
	return exceptions
}

// required lists everything that the descriptors promise: every parameter given, left out, of a wrong type, and None where
// it is optional; every former name; every order of arguments.
func required() []string {
	var tokens []string
	for _, described := range language.Descriptors() {
		name := described.Name
		if described.Kind == "function" && name == "print" {
			continue
		}
		tokens = append(tokens, name, name+" defaults")
		places := 0
		for _, parameter := range described.Parameters {
			token := name + "." + parameter.Name
			tokens = append(tokens, token)
			if parameter.Type != "any" {
				tokens = append(tokens, token+" wrong")
			}
			if !parameter.Required {
				tokens = append(tokens, token+" None")
			}
			for _, alias := range parameter.Aliases {
				tokens = append(tokens, name+"."+alias)
			}
			if !parameter.Named() && parameter.Name != "description" {
				places++
			}
		}
		if places > 0 {
			tokens = append(tokens, name+" positional")
		}
	}
	return tokens
}

// uses finds what a case's files use of the language, by their syntax trees and by the errors that come of them.
func (c *conformanceCase) uses(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, files := range []map[string]string{c.package_, c.again, c.vendor} {
		for name, source := range files {
			if !strings.HasSuffix(name, ".star") {
				continue
			}
			parsed, err := (&syntax.FileOptions{}).Parse(name, source, 0)
			if err != nil {
				continue // The case is about a file that is no Starlark.
			}
			syntax.Walk(parsed, func(node syntax.Node) bool {
				if call, ok := node.(*syntax.CallExpr); ok {
					c.usesCall(call, found)
				}
				return true
			})
		}
	}
	header := regexp.MustCompile(`(?:plan\.)?([A-Za-z_]+): the following argument\(s\) could not be parsed`)
	problem := regexp.MustCompile(`^\s+([a-z_]+): `)
	current := ""
	for line := range strings.Lines(c.extra[errorFile]) {
		if match := header.FindStringSubmatch(line); match != nil {
			current = match[1]
		} else if match := problem.FindStringSubmatch(line); match != nil && current != "" {
			found[current+"."+match[1]+" wrong"] = true
		}
	}
	return found
}

var descriptors = func() map[string]language.Descriptor {
	byName := map[string]language.Descriptor{}
	for _, described := range language.Descriptors() {
		if described.Kind != "function" || described.Name != "print" {
			byName[described.Name] = described
		}
	}
	return byName
}()

func (c *conformanceCase) usesCall(call *syntax.CallExpr, found map[string]bool) {
	name := ""
	switch function := call.Fn.(type) {
	case *syntax.Ident:
		name = function.Name
	case *syntax.DotExpr:
		name = function.Name.Name
	}
	described, known := descriptors[name]
	if !known {
		return
	}
	found[name] = true
	places, needed := []string{}, 0
	for _, parameter := range described.Parameters {
		if !parameter.Named() && parameter.Name != "description" {
			places = append(places, parameter.Name)
		}
		if parameter.Required {
			needed++
		}
	}
	position := 0
	for _, argument := range call.Args {
		given, value := "", argument
		if keyword, ok := argument.(*syntax.BinaryExpr); ok && keyword.Op == syntax.EQ {
			if ident, ok := keyword.X.(*syntax.Ident); ok {
				given, value = ident.Name, keyword.Y
			}
		} else if unary, ok := argument.(*syntax.UnaryExpr); (!ok || unary.Op != syntax.STAR && unary.Op != syntax.STARSTAR) && position < len(places) {
			given = places[position]
			position++
		}
		found[name+"."+given] = true
		if ident, ok := value.(*syntax.Ident); ok && ident.Name == "None" {
			found[name+"."+given+" None"] = true
		}
	}
	// What an error's case leaves out shows nothing about defaults.
	if c.extra[errorFile] == "" {
		if position == len(places) {
			found[name+" positional"] = true
		}
		if len(call.Args) == needed {
			found[name+" defaults"] = true
		}
	}
}
