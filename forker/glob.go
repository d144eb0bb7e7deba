package forker

import (
	"fmt"
	"regexp"
	"strings"
)

// glob is a compiled pattern over keys.
type glob struct{ expression *regexp.Regexp }

// compileGlob understands "*" (any characters, "/" included), "?" (one), "[a-z]", "[!a-z]" and "\" before a character
// that stands for itself. The empty pattern matches everything.
func compileGlob(pattern string) (glob, error) {
	if pattern == "" {
		pattern = "*"
	}
	var expression strings.Builder
	expression.WriteString(`(?s)^`)
	for position := 0; position < len(pattern); position++ {
		switch letter := pattern[position]; letter {
		case '*':
			expression.WriteString(".*")
		case '?':
			expression.WriteString(".")
		case '\\':
			position++
			if position == len(pattern) {
				return glob{}, fmt.Errorf(`the glob %q ends in "\", which has to stand before a character`, pattern)
			}
			expression.WriteString(regexp.QuoteMeta(pattern[position : position+1]))
		case '[':
			end := strings.IndexByte(pattern[position+1:], ']')
			if end < 1 {
				return glob{}, fmt.Errorf(`the glob %q has a "[" without its "]"`, pattern)
			}
			set := pattern[position+1 : position+1+end]
			not := ""
			if set[0] == '!' || set[0] == '^' {
				not, set = "^", set[1:]
			}
			if set == "" {
				return glob{}, fmt.Errorf(`the glob %q has an empty set of characters`, pattern)
			}
			expression.WriteString("[" + not + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(set) + "]")
			position += end + 1
		default:
			expression.WriteString(regexp.QuoteMeta(pattern[position : position+1]))
		}
	}
	expression.WriteString("$")
	compiled, err := regexp.Compile(expression.String())
	if err != nil {
		return glob{}, fmt.Errorf("the glob %q has a set of characters that runs backwards", pattern)
	}
	return glob{expression: compiled}, nil
}

func (g glob) matches(key string) bool { return g.expression.MatchString(key) }

func compileGlobs(what string, patterns []string) ([]glob, error) {
	globs := make([]glob, 0, len(patterns))
	for index, pattern := range patterns {
		compiled, err := compileGlob(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", what, index, err)
		}
		globs = append(globs, compiled)
	}
	return globs, nil
}
