// Package settings reads a program's settings from its environment. It never puts a value into an error: some are
// secrets.
package settings

import (
	"fmt"
	"strings"
)

// Reader collects what is wrong instead of stopping at the first, so that one start tells all of it.
type Reader struct {
	lookup  func(string) (string, bool)
	missing []string
}

// From returns a reader over a lookup function such as os.LookupEnv.
func From(lookup func(string) (string, bool)) *Reader { return &Reader{lookup: lookup} }

// Required returns a variable's value. An empty one counts as missing: it is what a broken template leaves behind.
func (r *Reader) Required(name string) string {
	value, _ := r.lookup(name)
	if value == "" {
		r.missing = append(r.missing, name)
	}
	return value
}

// Optional returns a variable's value, or the fallback where it is missing or empty.
func (r *Reader) Optional(name, fallback string) string {
	if value, _ := r.lookup(name); value != "" {
		return value
	}
	return fallback
}

// Err names all required variables that are missing.
func (r *Reader) Err() error {
	if len(r.missing) == 0 {
		return nil
	}
	return fmt.Errorf("missing environment variables: %s: set them in the task definition or the service's env_vars",
		strings.Join(r.missing, ", "))
}
