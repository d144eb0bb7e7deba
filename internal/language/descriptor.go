package language

import (
	"strings"
)

// Descriptor describes one builtin of the language. The same description checks arguments and generates the reference.
type Descriptor struct {
	// Name as packages write it, for example "add_service" (a method of plan) or "ServiceConfig".
	Name string
	// Kind is "instruction" (a function of plan), "type" or "function" (a global).
	Kind string
	Doc  string
	// Returns says what a call gives; empty for None and for types, which give themselves.
	Returns    string
	Parameters []ParameterDescriptor
}

// ParameterDescriptor describes one parameter of a builtin, in positional order.
type ParameterDescriptor struct {
	Name     string
	Type     string // for example "dict[string, PortSpec]"
	Default  string // as a package would write it; empty when there is none
	Required bool
	Doc      string
	// Aliases are names that earlier versions of the language had; using one is a warning.
	Aliases []string
	// Former tells for a parameter that only earlier versions had what to write instead. It is given by name, and giving
	// it is a warning.
	Former string
	// Extension tells that the parameter is Sundog's own. It is given by name, so that it has no part in the order of
	// arguments that packages rely on.
	Extension bool
}

// Named tells whether the parameter is given by name only.
func (p *ParameterDescriptor) Named() bool { return p.Former != "" || p.Extension }

// The kinds of builtins.
const (
	kindInstruction = "instruction"
	kindType        = "type"
	kindFunction    = "function"
)

// Descriptors lists every builtin: functions, instructions, types, each in the order of the reference.
func Descriptors() []Descriptor {
	var all []Descriptor
	for _, list := range [][]*builtin{functions, instructions} {
		for _, b := range list {
			all = append(all, b.describe())
		}
	}
	for _, t := range types {
		all = append(all, t.describe())
	}
	return all
}

// signature is what a builtin accepts: its parameters in positional order, description last, then those that are given by
// name only: Sundog's own and those of earlier versions.
type signature struct {
	name       string
	kind       string
	doc        string
	returns    string
	parameters []*parameter
	byName     map[string]int
	positional int // how many can be given by position
	// earlier understands calls of earlier versions; nil where there is nothing to understand.
	earlier *earlierForm
}

func newSignature(name, kind, doc, returns string, parameters []anyParameter) *signature {
	s := &signature{name: name, kind: kind, doc: doc, returns: returns, byName: map[string]int{}}
	for i, p := range parameters {
		inner := p.base()
		inner.index = i
		s.parameters = append(s.parameters, inner)
		for _, name := range append([]string{inner.Name}, inner.Aliases...) {
			s.byName[name] = i
		}
		if !inner.Named() {
			s.positional = i + 1
		}
	}
	return s
}

func (s *signature) describe() Descriptor {
	described := Descriptor{Name: s.name, Kind: s.kind, Doc: s.doc, Returns: s.returns}
	for _, p := range s.parameters {
		described.Parameters = append(described.Parameters, p.ParameterDescriptor)
	}
	return described
}

// qualified is the name as a package's author sees it.
func (s *signature) qualified() string {
	if s.kind == kindInstruction {
		return "plan." + s.name
	}
	return s.name
}

// order lists the parameters that can be given by position.
func (s *signature) order() []string {
	names := make([]string, s.positional)
	for i, p := range s.parameters[:s.positional] {
		names[i] = p.Name
	}
	return names
}

// names lists what a call of today can name.
func (s *signature) names() []string {
	var names []string
	for _, p := range s.parameters {
		if p.Former == "" {
			names = append(names, p.Name)
		}
	}
	return names
}

// nearest gives the candidate that a name is probably a misspelling of; empty when none is near.
func nearest(name string, candidates []string) string {
	fold := func(text string) string { return strings.ToLower(strings.ReplaceAll(text, "_", "")) }
	folded := fold(name)
	best, distance := "", (len(folded)+1)/2
	for _, candidate := range candidates {
		if d := editDistance(folded, fold(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance counts the letters to insert, remove, change or swap with their neighbour; names longer than any builtin's
// are not worth the time.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 0
			if a[i-1] != b[j-1] {
				cost = 1
			}
			row[j] = min(last[j-1]+cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
