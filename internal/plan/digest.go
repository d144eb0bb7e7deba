package plan

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// KeyedDigest is a keyed hash (HMAC-SHA-256, lower-case hexadecimal) of a value's canonical JSON. Specs and arguments may
// hold secrets, so no plain digest of them is ever written down.
func KeyedDigest(key []byte, value any) (string, error) {
	// encoding/json sorts map keys and struct fields have a fixed order, which makes the text canonical.
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("digest a value: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// MarshalJSON represents a file tree by its digest.
func (t *FileTree) MarshalJSON() ([]byte, error) { return json.Marshal(t.Digest()) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
