package locator

import (
	"path"
	"strings"
)

// ignoreName is the file, at the root of a folder, that keeps files out of it.
const ignoreName = ".kurtosisignore"

// ignoreRules are the patterns of one .kurtosisignore.
type ignoreRules []ignoreRule

type ignoreRule struct {
	pattern   string
	directory bool // only folders match
	whole     bool // matches the whole relative path rather than the base name
}

// parseIgnore reads a .kurtosisignore: "#" starts a comment, a trailing slash restricts a pattern to folders, a pattern
// with a slash matches the relative path, any other the base name; globs know *, ? and [].
func parseIgnore(text string) ignoreRules {
	var rules ignoreRules
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rule := ignoreRule{pattern: strings.TrimSuffix(line, "/"), directory: strings.HasSuffix(line, "/")}
		rule.whole = strings.Contains(rule.pattern, "/")
		rule.pattern = strings.TrimPrefix(rule.pattern, "/")
		rules = append(rules, rule)
	}
	return rules
}

// match tells whether one entry is kept out; what lies below an ignored folder is not asked for.
func (rules ignoreRules) match(relative string, directory bool) bool {
	for _, rule := range rules {
		if rule.directory && !directory {
			continue
		}
		name := relative
		if !rule.whole {
			name = path.Base(relative)
		}
		// A malformed pattern matches nothing, as upstream.
		if ok, err := path.Match(rule.pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}

// covers tells whether an entry or one of the folders above it is kept out.
func (rules ignoreRules) covers(relative string, directory bool) bool {
	if len(rules) == 0 || relative == "" {
		return false
	}
	for i, letter := range relative {
		if letter == '/' && rules.match(relative[:i], true) {
			return true
		}
	}
	return rules.match(relative, directory)
}
