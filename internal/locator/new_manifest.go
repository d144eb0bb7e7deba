package locator

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// CheckName tells whether a text can be the name of a package: host/owner/repository[/folder], without a version.
func CheckName(name string) error {
	text, err := NewManifest(name, "")
	if err != nil {
		return err
	}
	_, err = parseManifest([]byte(text), manifestName)
	return err
}

// NewManifest is the text of a kurtosis.yml.
func NewManifest(name, description string) (string, error) {
	text, err := yaml.Marshal(struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description,omitempty"`
	}{name, description})
	if err != nil {
		return "", fmt.Errorf("write a %s: %w", manifestName, err)
	}
	return string(text), nil
}
