package forker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// masked gives a configuration with the values that may be secret as keyed hashes.
func masked(config any, paths []string, key []byte) any {
	for _, path := range paths {
		config = maskPath(config, strings.Split(path, "."), key)
	}
	return config
}

func maskPath(tree any, path []string, key []byte) any {
	if len(path) == 0 {
		return maskAll(tree, key)
	}
	switch value := tree.(type) {
	case map[string]any:
		changed := make(map[string]any, len(value))
		for field, element := range value {
			if path[0] == "*" || path[0] == field {
				element = maskPath(element, path[1:], key)
			}
			changed[field] = element
		}
		return changed
	case []any:
		changed := make([]any, len(value))
		for index, element := range value {
			if path[0] == "*" || path[0] == strconv.Itoa(index) {
				element = maskPath(element, path[1:], key)
			}
			changed[index] = element
		}
		return changed
	default:
		return tree
	}
}

// maskAll hashes whatever is at a path that may be secret, structure included.
func maskAll(tree any, key []byte) any {
	if tree == nil {
		return nil
	}
	text, err := descriptor.Encode(tree)
	if err != nil {
		text = fmt.Sprint(tree)
	}
	return "keyed:" + keyedHash(key, text)
}

// keyedHash is an HMAC: without the key nobody can try values against it.
func keyedHash(key []byte, text string) string {
	hash := hmac.New(sha256.New, key)
	hash.Write([]byte(text))
	return hex.EncodeToString(hash.Sum(nil))
}

// digest of a configuration: SHA-256 over its canonical form.
func digest(maskedConfig any) (string, error) {
	text, err := descriptor.Encode(maskedConfig)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// digestItem gives the masked configuration of an item and its digest. Tags count: a change of tags is a change.
func (f *Forker) digestItem(kind descriptor.KindTraits, item descriptor.Item) (config any, sum string, err error) {
	config = masked(item.Config, kind.Secret, f.options.DigestKey)
	sum, err = digest(map[string]any{"config": config, "tags": item.Tags})
	return config, sum, err
}
