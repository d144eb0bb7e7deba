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

// Resolve finds the resource that a reference names, and what follows its identifier, for example the field of a secret.
// A reference may also be a plain name.
func (x *Index) Resolve(reference, region string) (key, selector string, found bool) {
	for _, hit := range x.scan(reference, region) {
		if hit.start == 0 {
			return hit.key, reference[hit.end:], true
		}
	}
	if candidates := x.names[reference]; len(candidates) > 0 && oneKind(candidates) {
		return x.nearest(candidates, region).key, "", true
	}
	return "", "", false
}
