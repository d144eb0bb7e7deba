package language

import (
	"regexp"
	"strings"
)

// documentedParameter is what a docstring says about one parameter.
type documentedParameter struct {
	kind string
	text string
}

var (
	sectionPattern = regexp.MustCompile(`^(Args|Arguments|Parameters|Returns|Return|Yields|Raises|Example|Examples|Note|Notes):\s*$`)
	typeRemark     = regexp.MustCompile(`(?i)\s*,\s*(optional|required)\s*$`)
	argumentLine   = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)\s*(?:\(([^)]*)\))?\s*:\s*(.*)$`)
)

// parseDocstring reads the section "Args:" of a Google-style docstring: lines "name (type): text", continued by lines that
// are indented further.
func parseDocstring(doc string) map[string]documentedParameter {
	found := map[string]documentedParameter{}
	texts := map[string][]string{} // lines, joined at the end: a docstring may have very many
	inside, depth, current := false, -1, ""
	for line := range strings.Lines(doc) {
		trimmed := strings.TrimSpace(line)
		if section := sectionPattern.FindStringSubmatch(trimmed); section != nil {
			inside = section[1] == "Args" || section[1] == "Arguments" || section[1] == "Parameters"
			depth, current = -1, ""
			continue
		}
		if !inside || trimmed == "" {
			continue
		}
		indentation := len(line) - len(strings.TrimLeft(line, " \t"))
		match := argumentLine.FindStringSubmatch(trimmed)
		if match != nil && (depth < 0 || indentation <= depth) {
			depth, current = indentation, match[1]
			found[current] = documentedParameter{kind: typeRemark.ReplaceAllString(strings.TrimSpace(match[2]), "")}
			texts[current] = []string{match[3]}
			continue
		}
		if current != "" {
			texts[current] = append(texts[current], trimmed)
		}
	}
	for name, lines := range texts {
		described := found[name]
		described.text = strings.TrimSpace(strings.Join(lines, " "))
		found[name] = described
	}
	return found
}
