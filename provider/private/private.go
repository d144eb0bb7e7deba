// Package private keeps what a resource remembers in Terraform's private state: JSON under a key, saved with the
// resource and shown nowhere. It is plain text in the state file, so it never holds a secret, only keyed hashes.
package private

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// Writer is the private data of a response.
type Writer interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// Reader is the private data of a request.
type Reader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

// Read gives what is kept under a key; nil where there is nothing, or nothing of that shape.
func Read[T any](ctx context.Context, from Reader, key string) (*T, diag.Diagnostics) {
	text, diagnostics := from.GetKey(ctx, key)
	if diagnostics.HasError() || text == nil {
		return nil, diagnostics
	}
	var kept T
	if json.Unmarshal(text, &kept) != nil {
		return nil, diagnostics
	}
	return &kept, diagnostics
}

// Write keeps a value under a key.
func Write[T any](ctx context.Context, to Writer, key string, kept T) diag.Diagnostics {
	text, err := json.Marshal(kept)
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("Cannot keep what the resource remembers", err.Error())}
	}
	return to.SetKey(ctx, key, text)
}

// NewKey makes a random key for Hash.
func NewKey() ([]byte, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a key for digests: %w", err)
	}
	return key, nil
}

// Hash is a keyed hash, short enough to be read in a plan.
func Hash(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))[:16]
}
