package rewrite

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// walker visits every string of a configuration tree, those inside of JSON documents that are strings included.
type walker struct {
	// text gives the string to put in a string's place.
	text func(path []string, text string) string
	// object may change an object before its fields are visited. It may be nil.
	object func(path []string, object map[string]any) map[string]any
}

// walk gives the changed tree; the given one is left as it is.
func (w walker) walk(path []string, tree any) any {
	switch value := tree.(type) {
	case map[string]any:
		if w.object != nil {
			value = w.object(path, value)
		}
		changed := make(map[string]any, len(value))
		// Sorted, so that what is reported comes in the same order every time.
		for _, field := range slices.Sorted(maps.Keys(value)) {
			changed[w.text(path, field)] = w.walk(at(path, field), value[field])
		}
		return changed
	case []any:
		changed := make([]any, len(value))
		for index, element := range value {
			changed[index] = w.walk(at(path, strconv.Itoa(index)), element)
		}
		return changed
	case string:
		return w.string(path, value)
	default:
		return tree
	}
}

func (w walker) string(path []string, text string) string {
	document, encoded, ok := document(text)
	if !ok {
		return w.text(path, text)
	}
	before, err := descriptor.Encode(document)
	if err != nil {
		return w.text(path, text)
	}
	after, err := descriptor.Encode(w.walk(path, document))
	if err != nil {
		return w.text(path, text)
	}
	if after == before {
		// An untouched document keeps its own spelling.
		return text
	}
	if encoded {
		return url.QueryEscape(after)
	}
	return after
}

// document parses a string that is a JSON object or array, URL-encoded or not.
func document(text string) (tree any, encoded, ok bool) {
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "%7B") || strings.HasPrefix(trimmed, "%7b") || strings.HasPrefix(trimmed, "%5B") {
		decoded, err := url.QueryUnescape(trimmed)
		if err != nil {
			return nil, false, false
		}
		trimmed, encoded = decoded, true
	}
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[") {
		return nil, false, false
	}
	tree, err := descriptor.ParseTree([]byte(trimmed))
	return tree, encoded, err == nil
}

// at extends a path without sharing memory with its siblings.
func at(path []string, step string) []string {
	return append(slices.Clip(path), step)
}

func asIndex(step string) (int, bool) {
	index, err := strconv.Atoi(step)
	return index, err == nil
}
