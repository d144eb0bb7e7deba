package language

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"
)

// OrderedArgs are arguments of a package as somebody wrote them: their objects keep the order of their keys, which a
// package can see when it walks over a dictionary.
type OrderedArgs struct{ members []member }

// member is one key of an object, in the order of the text. Its value is what Request.Args may hold, with objects in
// place of maps.
type member struct {
	key   string
	value any
}

type orderedObject []member

// ParseArgs reads arguments from JSON or YAML: one object, or nothing at all. Whole numbers become ints, others floats.
func ParseArgs(text string) (*OrderedArgs, error) {
	if strings.TrimSpace(text) == "" {
		return &OrderedArgs{}, nil
	}
	value, err := parseJSON(text)
	if errors.Is(err, errValue) {
		return nil, fmt.Errorf("the arguments cannot be used: %w", err)
	}
	if err != nil {
		// What is no JSON may be YAML, of which JSON is a part; what fails as both was most likely meant as what it looks like.
		var yamlErr error
		if value, yamlErr = parseYAML(text); yamlErr != nil {
			if strings.HasPrefix(strings.TrimSpace(text), "{") {
				return nil, fmt.Errorf("the arguments are neither JSON nor YAML: %w", err)
			}
			return nil, fmt.Errorf("the arguments are neither JSON nor YAML: %w", yamlErr)
		}
	}
	object, ok := value.(orderedObject)
	if !ok {
		return nil, fmt.Errorf("JSON other than dictionaries aren't supported: the arguments are %s, write them as {\"name\": value}", jsonKind(value))
	}
	return &OrderedArgs{members: object}, nil
}

func jsonKind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}

// errValue tells that a text is JSON, and holds a value that no package can get.
var errValue = errors.New("the value is out of range")

// starlark gives the arguments as a dictionary.
func (a *OrderedArgs) starlark() (starlark.Value, error) {
	return fromData(orderedObject(a.members))
}

// parseJSON reads one JSON value, objects in order. A key that stands twice keeps its first place and its last value, as
// in JSON in general.
func parseJSON(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	value, err := decodeJSON(decoder, 0)
	if err != nil {
		return nil, jsonPlace(text, decoder.InputOffset(), err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, jsonPlace(text, decoder.InputOffset(), errors.New("something follows the value"))
	}
	return value, nil
}

// jsonPlace says in which line and column reading stopped.
func jsonPlace(text string, offset int64, err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	before := text[:min(int(offset), len(text))]
	line := strings.Count(before, "\n") + 1
	column := len(before) - strings.LastIndex(before, "\n")
	return fmt.Errorf("line %d, column %d: %w", line, max(column-1, 1), err)
}

func decodeJSON(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Number:
		return numberValue(token.String())
	case json.Delim:
		if token == '[' {
			return decodeList(decoder, depth)
		}
		return decodeObject(decoder, depth)
	}
	return token, nil
}

func decodeList(decoder *json.Decoder, depth int) (any, error) {
	list := []any{}
	for decoder.More() {
		element, err := decodeJSON(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
	_, err := decoder.Token()
	return list, err
}

func decodeObject(decoder *json.Decoder, depth int) (any, error) {
	object := &objectBuilder{places: map[string]int{}}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		value, err := decodeJSON(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		object.set(name, value)
	}
	_, err := decoder.Token()
	return object.members, err
}

type objectBuilder struct {
	members orderedObject
	places  map[string]int
}

func (b *objectBuilder) set(key string, value any) {
	if b.members == nil {
		b.members = orderedObject{}
	}
	if place, ok := b.places[key]; ok {
		b.members[place].value = value
		return
	}
	b.places[key] = len(b.members)
	b.members = append(b.members, member{key: key, value: value})
}

// numberValue is a JSON number: whole without a point and an exponent, a float otherwise.
func numberValue(text string) (any, error) {
	if !strings.ContainsAny(text, ".eE") {
		if number, err := strconv.ParseInt(text, 10, 64); err == nil {
			return number, nil
		}
		if len(text) > maxBits/4 {
			return nil, fmt.Errorf("%w: the number %s has too many digits", errValue, shorten(text))
		}
		if number, ok := new(big.Int).SetString(text, 10); ok {
			return number, nil
		}
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: the number %s is too large", errValue, shorten(text))
	}
	return number, nil
}

// maxYAMLNodes bounds what YAML's aliases can make out of a small text.
const maxYAMLNodes = 200_000

func parseYAML(text string) (any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return orderedObject{}, nil // comments alone
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document: give the arguments in one")
	}
	reader := &yamlReader{}
	return reader.value(&document, 0)
}

// yamlReader turns YAML nodes into values.
type yamlReader struct{ nodes int }

func (r *yamlReader) value(node *yaml.Node, depth int) (any, error) {
	if r.nodes++; r.nodes > maxYAMLNodes {
		return nil, errTooMuch
	}
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch node.Kind {
	case yaml.DocumentNode:
		return r.value(node.Content[0], depth)
	case yaml.AliasNode:
		return r.value(node.Alias, depth+1)
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, element := range node.Content {
			var err error
			if list[i], err = r.value(element, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		object := &objectBuilder{members: orderedObject{}, places: map[string]int{}}
		if err := r.mapping(node, depth, object, false); err != nil {
			return nil, err
		}
		return object.members, nil
	}
	return yamlScalar(node)
}

// mapping adds a mapping's keys to an object. Keys that a merge brings do not replace the mapping's own.
func (r *yamlReader) mapping(node *yaml.Node, depth int, object *objectBuilder, merged bool) error {
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: a key must be a plain value", key.Line)
		}
		if _, taken := object.places[key.Value]; taken {
			if merged {
				continue
			}
			return fmt.Errorf("line %d: the key %q stands twice", key.Line, key.Value)
		}
		converted, err := r.value(value, depth+1)
		if err != nil {
			return err
		}
		object.set(key.Value, converted)
	}
	for _, merge := range merges {
		if err := r.merge(merge, depth+1, object); err != nil {
			return err
		}
	}
	return nil
}

func (r *yamlReader) merge(node *yaml.Node, depth int, object *objectBuilder) error {
	if depth > maxDepth {
		return errTooDeep
	}
	switch node.Kind {
	case yaml.AliasNode:
		return r.merge(node.Alias, depth+1, object)
	case yaml.MappingNode:
		return r.mapping(node, depth, object, true)
	case yaml.SequenceNode:
		for _, element := range node.Content {
			if err := r.merge(element, depth+1, object); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("line %d: only mappings can be merged", node.Line)
}

func yamlScalar(node *yaml.Node) (any, error) {
	switch node.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		var value any
		if err := node.Decode(&value); err != nil {
			return nil, fmt.Errorf("line %d: %s", node.Line, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		switch value := value.(type) {
		case int:
			return int64(value), nil
		case uint64:
			return new(big.Int).SetUint64(value), nil
		case float64:
			// The library reads whole numbers that need more than 64 bits as floats.
			if whole, ok := new(big.Int).SetString(node.Value, 10); ok {
				return whole, nil
			}
			return value, nil
		}
		return value, nil
	case "!!binary":
		return nil, fmt.Errorf("line %d: binary values cannot be arguments of a package", node.Line)
	}
	if value, ok := yamlWords[strings.ToLower(node.Value)]; ok && node.Style == 0 {
		return value, nil
	}
	return node.Value, nil
}

// yamlWords are the booleans of YAML 1.1, by which upstream reads arguments.
var yamlWords = map[string]bool{"yes": true, "on": true, "no": false, "off": false}
