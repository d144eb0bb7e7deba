package compose

import (
	"strconv"
	"strings"
)

// lineWidth is where an expression is broken into one line for each of its elements.
const lineWidth = 100

// expression is a Starlark expression that can be written down.
type expression interface {
	// flat is the expression in one line.
	flat() string
	// broken is the expression with its elements in lines of their own; the lines after the first are indented by indent.
	broken(indent string) string
}

const indentation = "    "

// write gives an expression as it stands at an indentation, after so many letters of its line.
func write(e expression, indent string, before int) string {
	if text := e.flat(); before+len(text) <= lineWidth && !strings.Contains(text, "\n") {
		return text
	}
	return e.broken(indent)
}

// word is an expression without parts: a name, a number, None.
type word string

func (w word) flat() string         { return string(w) }
func (w word) broken(string) string { return string(w) }
func number(n int64) expression     { return word(strconv.FormatInt(n, 10)) }
func boolean(b bool) expression {
	if b {
		return word("True")
	}
	return word("False")
}

// quoted is a string literal. Go's escapes are Starlark's as long as the text is valid UTF-8.
type quoted string

func (q quoted) flat() string         { return strconv.Quote(strings.ToValidUTF8(string(q), "\uFFFD")) }
func (q quoted) broken(string) string { return q.flat() }

// list is a list.
type list []expression

func (l list) flat() string {
	texts := make([]string, len(l))
	for i, element := range l {
		texts[i] = element.flat()
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (l list) broken(indent string) string {
	if len(l) == 0 {
		return "[]"
	}
	inner := indent + indentation
	var out strings.Builder
	out.WriteString("[\n")
	for _, element := range l {
		out.WriteString(inner + write(element, inner, len(inner)+1) + ",\n")
	}
	return out.String() + indent + "]"
}

func texts(values []string) list {
	made := make(list, len(values))
	for i, value := range values {
		made[i] = quoted(value)
	}
	return made
}

// entry is a key or a parameter with its value.
type entry struct {
	key   string
	value expression
}

// dict is a dictionary with text keys.
type dict []entry

// flat never is: one line for each entry reads better, also where there is one only.
func (d dict) flat() string {
	if len(d) == 0 {
		return "{}"
	}
	return d.broken("")
}

func (d dict) broken(indent string) string {
	if len(d) == 0 {
		return "{}"
	}
	inner := indent + indentation
	var out strings.Builder
	out.WriteString("{\n")
	for _, e := range d {
		key := quoted(e.key).flat() + ": "
		out.WriteString(inner + key + write(e.value, inner, len(inner)+len(key)+1) + ",\n")
	}
	return out.String() + indent + "}"
}

// call is a call with named arguments.
type call struct {
	function  string
	arguments []entry
}

func (c call) flat() string {
	texts := make([]string, len(c.arguments))
	for i, argument := range c.arguments {
		texts[i] = argument.key + " = " + argument.value.flat()
	}
	return c.function + "(" + strings.Join(texts, ", ") + ")"
}

func (c call) broken(indent string) string {
	inner := indent + indentation
	var out strings.Builder
	out.WriteString(c.function + "(\n")
	for _, argument := range c.arguments {
		name := argument.key + " = "
		out.WriteString(inner + name + write(argument.value, inner, len(inner)+len(name)+1) + ",\n")
	}
	return out.String() + indent + ")"
}

// add appends an argument.
func (c *call) add(name string, value expression) {
	c.arguments = append(c.arguments, entry{name, value})
}
