package value

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// minSecret is the length from which a text counts as a secret. Shorter ones ("", "a", "12") occur everywhere by chance, and
// masking them would make every message unreadable without hiding anything.
const minSecret = 4

// Masked stands where a secret stood.
const Masked = "(sensitive)"

// Secrets knows the texts inside sensitive values and takes them out of everything that people read. The zero value
// knows none.
type Secrets struct{ texts []string }

// NewSecrets collects the strings and numbers inside JSON-like values. Those of less than four characters are left alone.
func NewSecrets(values ...any) Secrets {
	var texts []string
	var collect func(any)
	collect = func(v any) {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case int64:
			texts = append(texts, strconv.FormatInt(v, 10))
		case *big.Int:
			texts = append(texts, v.String())
		case []any:
			for _, element := range v {
				collect(element)
			}
		case map[string]any:
			for _, element := range v {
				collect(element)
			}
		}
	}
	for _, v := range values {
		collect(v)
	}
	// JSON and %q write some characters otherwise; a secret must not slip out in that spelling.
	for _, text := range slices.Clone(texts) {
		if quoted := strings.Trim(fmt.Sprintf("%q", text), `"`); quoted != text {
			texts = append(texts, quoted)
		}
	}
	texts = slices.DeleteFunc(texts, func(text string) bool { return len(text) < minSecret })
	// Longest first, so that a secret which contains another is masked as a whole; then by text, for determinism.
	slices.SortFunc(texts, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return Secrets{texts: slices.Compact(texts)}
}

// Texts gives the secrets themselves, for an engine that masks them in its own messages.
func (s Secrets) Texts() []string { return slices.Clone(s.texts) }

// In tells whether a text contains a secret.
func (s Secrets) In(text string) bool {
	return slices.ContainsFunc(s.texts, func(secret string) bool { return strings.Contains(text, secret) })
}

// Mask replaces the secrets in a text.
func (s Secrets) Mask(text string) string { return s.Replace(text, Masked) }

// Replace replaces the secrets in a text by another text.
func (s Secrets) Replace(text, by string) string {
	for _, secret := range s.texts {
		text = strings.ReplaceAll(text, secret, by)
	}
	return text
}

// minInside is the length from which a secret is looked for inside of other strings of a value. A value is used, not only
// read, so a short secret such as "test" must not turn "latest" into nonsense.
const minInside = 8

// MaskAny masks every string, key and number inside a JSON-like value that is a secret, or that contains one of at least
// eight characters, and tells whether there was anything to mask.
func (s Secrets) MaskAny(v any) (masked any, found bool) {
	switch v := v.(type) {
	case string:
		result := s.maskValue(v)
		return result, result != v
	case int64, *big.Int:
		if slices.Contains(s.texts, fmt.Sprint(v)) {
			return Masked, true
		}
		return v, false
	case []any:
		result := make([]any, len(v))
		for i, element := range v {
			var here bool
			result[i], here = s.MaskAny(element)
			found = found || here
		}
		return result, found
	case map[string]any:
		result := make(map[string]any, len(v))
		for key, element := range v {
			maskedKey := s.maskValue(key)
			value, here := s.MaskAny(element)
			result[maskedKey] = value
			found = found || here || maskedKey != key
		}
		return result, found
	default:
		return v, false
	}
}

func (s Secrets) maskValue(text string) string {
	if slices.Contains(s.texts, text) {
		return Masked
	}
	for _, secret := range s.texts {
		if len(secret) >= minInside {
			text = strings.ReplaceAll(text, secret, Masked)
		}
	}
	return text
}
