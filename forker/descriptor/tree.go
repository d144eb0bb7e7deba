package descriptor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Tree turns a value into a configuration tree by way of JSON. Numbers are json.Number, so that none loses digits.
func Tree(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode a configuration: %w", err)
	}
	return ParseTree(text)
}

// ParseTree decodes exactly one JSON value.
func ParseTree(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("decode a configuration: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("decode a configuration: text after its end")
	}
	return tree, nil
}

// Decode turns a configuration tree back into a typed value.
func Decode[T any](tree any) (T, error) {
	var value T
	text, err := json.Marshal(tree)
	if err != nil {
		return value, fmt.Errorf("encode a configuration: %w", err)
	}
	if err := json.Unmarshal(text, &value); err != nil {
		return value, fmt.Errorf("decode a configuration: %w", err)
	}
	return value, nil
}

// Encode writes a tree as JSON, keys sorted and without escaping for HTML.
func Encode(tree any) (string, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(tree); err != nil {
		return "", fmt.Errorf("encode a configuration: %w", err)
	}
	return strings.TrimSuffix(buffer.String(), "\n"), nil
}

// ParseDocument turns a policy document, URL-encoded or not, into a tree; text that is no JSON stays text.
func ParseDocument(text string) any {
	if strings.HasPrefix(strings.TrimSpace(text), "%7B") {
		if decoded, err := url.QueryUnescape(text); err == nil {
			text = decoded
		}
	}
	if tree, err := ParseTree([]byte(text)); err == nil {
		return tree
	}
	return text
}
