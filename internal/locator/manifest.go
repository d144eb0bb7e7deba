package locator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// manifestName is the file that makes a folder a package.
const manifestName = "kurtosis.yml"

// maxManifestSize bounds what the YAML library has to read.
const maxManifestSize = 256 << 10

// manifest is the content of a kurtosis.yml.
type manifest struct {
	Name        string            `yaml:"name"`
	Description string            `yaml:"description"`
	Replace     map[string]string `yaml:"replace"`
}

// parseManifest reads a kurtosis.yml strictly: unknown and repeated keys are errors. label says where the file stands.
func parseManifest(text []byte, label string) (*manifest, error) {
	fail := func(line int, format string, arguments ...any) error {
		position := label
		if line > 0 {
			position = fmt.Sprintf("%s:%d", label, line)
		}
		return fmt.Errorf("%w: %s: %s", ErrManifest, position, fmt.Sprintf(format, arguments...))
	}
	if len(text) > maxManifestSize {
		return nil, fail(0, "it is larger than %d KiB", maxManifestSize>>10)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fail(0, "%s", yamlReason(err))
	}
	var parsed manifest
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&parsed); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fail(0, "the file is empty: it must say \"name: github.com/owner/repository\"")
		}
		return nil, fail(0, "%s (known keys: name, description, replace)", yamlReason(err))
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fail(0, "it must hold a single document")
	}
	line := keyLine(&document, "name")
	if parsed.Name == "" {
		return nil, fail(line, "name is missing: it must say \"name: github.com/owner/repository\"")
	}
	if strings.HasSuffix(parsed.Name, "/") {
		return nil, fail(line, "name %q must not end in a slash", parsed.Name)
	}
	name, err := parseAddress(parsed.Name)
	if err != nil {
		return nil, fail(line, "name: %v", err)
	}
	if name.version != "" {
		return nil, fail(line, "name %q must not hold a version", parsed.Name)
	}
	replace := make(map[string]string, len(parsed.Replace))
	for _, key := range slices.Sorted(maps.Keys(parsed.Replace)) {
		replaced, err := checkReplace(key, parsed.Replace[key])
		if err == nil && replace[replaced] != "" {
			err = fmt.Errorf("%q stands there twice, spelled differently", replaced)
		}
		if err != nil {
			return nil, fail(keyLine(&document, "replace", key), "replace: %v", err)
		}
		replace[replaced] = parsed.Replace[key]
	}
	parsed.Replace = replace
	return &parsed, nil
}

// checkReplace looks at one line of replace and gives its key in the form in which locators are compared.
func checkReplace(key, value string) (string, error) {
	replaced, err := parseAddress(key)
	if err != nil {
		return "", err
	}
	if replaced.version != "" {
		return "", fmt.Errorf("key %q must not hold a version", key)
	}
	if value == "" {
		return "", fmt.Errorf("the value of %q is empty: give a folder or a locator", key)
	}
	if !isLocalPath(value) {
		if _, err = parseLocator(value); err != nil {
			return "", err
		}
	}
	return replaced.full(), nil
}

// isLocalPath tells whether a text is a folder on this machine rather than a locator.
func isLocalPath(text string) bool {
	return strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".")
}

// yamlReason strips what the YAML library says about itself and Go's type names.
func yamlReason(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.ReplaceAll(text, "unmarshal errors:\n  ", "")
	text = strings.ReplaceAll(text, "into map[string]string", "as a mapping of strings")
	text = typePattern.ReplaceAllString(text, "")
	text = targetPattern.ReplaceAllString(text, "as a mapping")
	text = strings.ReplaceAll(text, "into string", "as a string")
	text = strings.ReplaceAll(text, "into int", "as a number")
	return strings.ReplaceAll(text, "\n  ", "; ")
}

var (
	typePattern   = regexp.MustCompile(` in type [a-z]+\.\w+`)
	targetPattern = regexp.MustCompile(`into (map\[string\])?[a-z]+\.\w+`)
)

// keyLine finds the line of a key, given as the path to it; 0 when it is not there.
func keyLine(node *yaml.Node, keys ...string) int {
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		return keyLine(node.Content[0], keys...)
	}
	if node.Kind != yaml.MappingNode {
		return 0
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value != keys[0] {
			continue
		}
		if len(keys) == 1 {
			return node.Content[i].Line
		}
		return keyLine(node.Content[i+1], keys[1:]...)
	}
	return 0
}
