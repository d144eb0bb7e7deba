// Package rewrite finds the identifiers of a production account's resources in configurations, replaces them by those of
// a fork, and proves that none is left. It knows no service: identifiers are exact strings that descriptors gave.
package rewrite

import (
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// anchorLength is how many bytes of an identifier choose the candidates at one place of a text.
const anchorLength = 6

// Index knows every identifier of every resource. It is filled first and only read afterwards.
type Index struct {
	owners map[string]owner
	// exact maps identifiers to those that they name, more than one where regions share an endpoint.
	exact map[string][]named
	// lengths of the identifiers that begin with an anchor, longest first.
	lengths map[string][]int
	// names maps plain names to those that bear them.
	names map[string][]named
	// arns maps keys to ARNs.
	arns map[string]string
}

type owner struct {
	region string
	hints  []string
}

type named struct {
	key        string
	identifier descriptor.Identifier
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{
		owners: map[string]owner{}, exact: map[string][]named{}, lengths: map[string][]int{}, names: map[string][]named{}, arns: map[string]string{},
	}
}

// Add makes a resource's identifiers known. Hints are the words that speak of its kind.
func (x *Index) Add(key, region string, hints []string, identifiers []descriptor.Identifier) {
	x.owners[key] = owner{region: region, hints: hints}
	for _, identifier := range identifiers {
		if identifier.Value == "" {
			continue
		}
		entry := named{key: key, identifier: identifier}
		if identifier.Form == descriptor.Name {
			x.names[identifier.Value] = append(x.names[identifier.Value], entry)
			continue
		}
		if identifier.Form == descriptor.Host {
			entry.identifier.Value = strings.ToLower(identifier.Value)
		}
		value := entry.identifier.Value
		if identifier.Form == descriptor.ARN && x.arns[key] == "" {
			x.arns[key] = value
		}
		if slices.ContainsFunc(x.exact[value], func(n named) bool { return n.key == key }) {
			continue
		}
		x.exact[value] = append(x.exact[value], entry)
		anchor := anchorOf(value)
		if !slices.Contains(x.lengths[anchor], len(value)) {
			x.lengths[anchor] = append(x.lengths[anchor], len(value))
			slices.SortFunc(x.lengths[anchor], func(a, b int) int { return b - a })
		}
	}
}

func anchorOf(text string) string {
	if len(text) > anchorLength {
		text = text[:anchorLength]
	}
	return strings.ToLower(text)
}

// match is one identifier found in a text.
type match struct {
	start, end int
	named
}

// scan finds the identifiers in a text, longest first at every place, at token boundaries only.
func (x *Index) scan(text, region string) []match {
	var matches []match
	for start := 0; start < len(text); start++ {
		if !startsToken(text, start) {
			continue
		}
		// Identifiers shorter than an anchor are their own anchor.
		for size := min(anchorLength, len(text)-start); size > 0; size-- {
			found, ok := x.longestAt(text, start, strings.ToLower(text[start:start+size]), region)
			if ok {
				matches = append(matches, found)
				start = found.end - 1
				break
			}
		}
	}
	return matches
}

func (x *Index) longestAt(text string, start int, anchor, region string) (match, bool) {
	for _, length := range x.lengths[anchor] {
		end := start + length
		if end > len(text) {
			continue
		}
		candidates := x.exact[text[start:end]]
		if len(candidates) == 0 {
			lower := x.exact[strings.ToLower(text[start:end])]
			if len(lower) > 0 && lower[0].identifier.Form == descriptor.Host {
				candidates = lower
			}
		}
		if len(candidates) == 0 {
			continue
		}
		chosen := x.nearest(candidates, region)
		if endsToken(text, end, chosen.identifier) {
			return match{start: start, end: end, named: chosen}, true
		}
	}
	return match{}, false
}

// nearest prefers a resource of the same region: an emulator spells the URLs of all regions alike, and a program asks
// in its own.
func (x *Index) nearest(candidates []named, region string) named {
	for _, candidate := range candidates {
		if x.owners[candidate.key].region == region {
			return candidate
		}
	}
	return candidates[0]
}

// name finds the resource that a whole value names. A name counts only where it is unmistakable.
func (x *Index) name(value string, path []string, region string) (named, bool) {
	candidates := x.names[value]
	if len(candidates) == 0 {
		return named{}, false
	}
	field := fieldOf(path)
	var hinted []named
	for _, candidate := range candidates {
		if slices.ContainsFunc(x.owners[candidate.key].hints, func(hint string) bool { return strings.Contains(field, hint) }) {
			hinted = append(hinted, candidate)
		}
	}
	if len(hinted) > 0 {
		if oneKind(hinted) {
			return x.nearest(hinted, region), true
		}
		return named{}, false
	}
	if oneKind(candidates) && strings.ContainsAny(value, "-_./") {
		return x.nearest(candidates, region), true
	}
	return named{}, false
}

// oneKind tells whether all candidates are of one kind, so that only their regions differ.
func oneKind(candidates []named) bool {
	kind := func(key string) string {
		service, rest, _ := strings.Cut(key, "/")
		kind, _, _ := strings.Cut(rest, "/")
		return service + "/" + kind
	}
	for _, candidate := range candidates[1:] {
		if kind(candidate.key) != kind(candidates[0].key) {
			return false
		}
	}
	return true
}

// fieldOf gives the words in which the place of a value speaks about it: its own field and the one around it.
func fieldOf(path []string) string {
	var words []string
	for index := len(path) - 1; index >= 0 && len(words) < 2; index-- {
		if _, number := asIndex(path[index]); !number {
			words = append(words, strings.ToLower(path[index]))
		}
	}
	return strings.Join(words, " ")
}

// startsToken tells whether an identifier may begin here.
func startsToken(text string, start int) bool {
	if start == 0 {
		return true
	}
	before := text[start-1]
	return !isWord(before) && before != '.' && before != '-'
}

// endsToken tells whether an identifier may end here. A dot or dash ends it only if no word follows, as at the end of a
// sentence; a wildcard makes it a pattern over other identifiers, not the identifier itself.
func endsToken(text string, end int, identifier descriptor.Identifier) bool {
	for position := end; position < len(text); position++ {
		letter := text[position]
		switch {
		case isWord(letter):
			return false
		case letter == '*', letter == '?' && identifier.Form == descriptor.ARN:
			return false
		case identifier.Whole && position == end && (letter == '/' || letter == ':'):
			return position+1 == len(text)
		case letter != '.' && letter != '-':
			return true
		}
	}
	return true
}

func isWord(letter byte) bool {
	return letter == '_' || letter >= '0' && letter <= '9' || letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z'
}

// arn gives the ARN of a resource, or "".
func (x *Index) arn(key string) string { return x.arns[key] }
