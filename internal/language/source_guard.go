package language

import (
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Starlark's parser, resolver and compiler recurse along the nesting of expressions, and Go ends a process whose stack
// grows too far. So files that nest absurdly are refused before they are parsed.
const (
	maxSourceSize  = 2 << 20
	maxBrackets    = 400
	maxExpression  = 20_000 // tokens between two separators at one level of brackets
	maxIndentation = 1_000
)

// checkSource looks at a file's brackets, indentation and longest expression without parsing it.
func checkSource(name string, source []byte) error {
	if len(source) > maxSourceSize {
		return errorAt(plan.Position{File: name, Line: 1, Column: 1}, "the file is larger than %d MiB: keep data in files of its own and read them with read_file", maxSourceSize>>20)
	}
	check := &sourceCheck{source: source, line: 1, tokens: make([]int, 1, 16)}
	if problem := check.run(); problem != "" {
		return errorAt(plan.Position{File: name, Line: check.line, Column: check.at - check.lineStart + 1}, "%s", problem)
	}
	return nil
}

type sourceCheck struct {
	source    []byte
	at        int
	line      int
	lineStart int
	tokens    []int // in the current expression, by level of brackets
}

func (c *sourceCheck) run() string {
	for c.at < len(c.source) {
		letter := c.source[c.at]
		level := len(c.tokens) - 1
		switch {
		case letter == '\n':
			c.newLine()
			if level == 0 {
				c.tokens[0] = 0
			}
			if c.indentation() > maxIndentation {
				return fmt.Sprintf("the line is indented by more than %d characters", maxIndentation)
			}
			continue
		case letter == ' ', letter == '\t', letter == '\r':
		case letter == '#':
			for c.at < len(c.source) && c.source[c.at] != '\n' {
				c.at++
			}
			continue
		case letter == '"', letter == '\'':
			c.text(letter)
			c.tokens[level]++
			continue
		case letter == ',', letter == ';':
			c.tokens[level] = 0
		case letter == '(', letter == '[', letter == '{':
			if level+1 > maxBrackets {
				return fmt.Sprintf("brackets are nested more than %d levels deep", maxBrackets)
			}
			c.tokens[level]++
			c.tokens = append(c.tokens, 0)
		case letter == ')', letter == ']', letter == '}':
			if level > 0 {
				c.tokens = c.tokens[:level]
			}
		case isWord(letter):
			for c.at < len(c.source) && isWord(c.source[c.at]) {
				c.at++
			}
			// A prefix such as r"..." belongs to the string that follows.
			c.tokens[level]++
			continue
		default:
			c.tokens[level]++
		}
		if c.tokens[len(c.tokens)-1] > maxExpression {
			return fmt.Sprintf("an expression has more than %d parts: split it up", maxExpression)
		}
		c.at++
	}
	return ""
}

func (c *sourceCheck) newLine() {
	c.at++
	c.line++
	c.lineStart = c.at
}

func (c *sourceCheck) indentation() int {
	count := 0
	for c.at+count < len(c.source) && (c.source[c.at+count] == ' ' || c.source[c.at+count] == '\t') {
		count++
	}
	return count
}

// text skips a string literal. A raw string's backslash keeps the quote in it too, so prefixes need no care.
func (c *sourceCheck) text(quote byte) {
	triple := c.at+2 < len(c.source) && c.source[c.at+1] == quote && c.source[c.at+2] == quote
	c.at++
	if triple {
		c.at += 2
	}
	for c.at < len(c.source) {
		switch letter := c.source[c.at]; {
		case letter == '\\':
			c.at++
			if c.at < len(c.source) && c.source[c.at] == '\n' {
				c.newLine()
				continue
			}
		case letter == '\n':
			if !triple {
				return // not closed: the parser says so
			}
			c.newLine()
			continue
		case letter == quote && !triple:
			c.at++
			return
		case letter == quote && c.at+2 < len(c.source) && c.source[c.at+1] == quote && c.source[c.at+2] == quote:
			c.at += 3
			return
		}
		c.at++
	}
}

func isWord(letter byte) bool {
	return letter == '_' || '0' <= letter && letter <= '9' || 'a' <= letter && letter <= 'z' || 'A' <= letter && letter <= 'Z' || letter >= 0x80
}
