package compose

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// places finds the lines of keys in the files of a project. What another file brought in is found at the nearest key
// that is there.
type places struct {
	files []string
	nodes []*yaml.Node
}

func (p *places) add(file string, content []byte) {
	var node yaml.Node
	if yaml.Unmarshal(content, &node) != nil || len(node.Content) == 0 {
		return
	}
	p.files, p.nodes = append(p.files, file), append(p.nodes, node.Content[0])
}

// of gives the place of a key, given as the path to it.
func (p *places) of(fallback string, keys ...string) Place {
	best, depth := Place{File: fallback, Line: 1, Column: 1}, 0
	for i, node := range p.nodes {
		if found, at := deepest(node, keys); at > depth {
			best, depth = Place{File: p.files[i], Line: found.Line, Column: found.Column}, at
		}
	}
	return best
}

// deepest follows keys as far as they are there.
func deepest(node *yaml.Node, keys []string) (*yaml.Node, int) {
	var found *yaml.Node
	for depth, key := range keys {
		at, value := child(node, key)
		if at == nil {
			return found, depth
		}
		found, node = at, value
	}
	return found, len(keys)
}

// child finds a key of a mapping, or an element of a list by its number or by what it begins with.
func child(node *yaml.Node, key string) (at, value *yaml.Node) {
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node == nil {
		return nil, nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
		for _, element := range node.Content {
			if element.Kind == yaml.ScalarNode && (element.Value == key || strings.HasPrefix(element.Value, key+"=")) {
				return element, element
			}
		}
	case yaml.DocumentNode, yaml.ScalarNode, yaml.AliasNode:
	}
	return nil, nil
}

var (
	lineNumber = regexp.MustCompile(`\bline:? (\d+)`)
	keyPath    = regexp.MustCompile(`\b(?:services|volumes|networks|secrets|configs|include)(?:\.[A-Za-z0-9_-]+|\[\d+\])+`)
	named      = regexp.MustCompile(`\bservice "?([A-Za-z0-9._-]+)"?`)
)

// guess finds the place that an error message of the Compose library speaks of.
func (p *places) guess(file, message string) Place {
	if found := lineNumber.FindStringSubmatch(message); found != nil {
		if line, err := strconv.Atoi(found[1]); err == nil {
			return Place{File: file, Line: line, Column: 1}
		}
	}
	if found := keyPath.FindString(message); found != "" {
		return p.of(file, strings.FieldsFunc(found, func(letter rune) bool { return strings.ContainsRune(".[]", letter) })...)
	}
	if found := named.FindStringSubmatch(message); found != nil {
		return p.of(file, "services", found[1])
	}
	return Place{File: file, Line: 1, Column: 1}
}
