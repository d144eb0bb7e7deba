package rewrite

import (
	"maps"
	"slices"
)

// Origin is the resource whose configuration is looked at.
type Origin struct {
	Key    string
	Region string
}

// References finds the keys of the resources that a configuration refers to, sorted, without its own.
func (x *Index) References(tree any, from Origin) []string {
	found := map[string]bool{}
	walker{text: func(path []string, text string) string {
		if hit, ok := x.name(text, path, from.Region); ok {
			found[hit.key] = true
			return text
		}
		for _, hit := range x.scan(text, from.Region) {
			found[hit.key] = true
		}
		return text
	}}.walk(nil, tree)
	delete(found, from.Key)
	return slices.Sorted(maps.Keys(found))
}
