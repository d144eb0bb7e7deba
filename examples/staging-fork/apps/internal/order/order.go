// Package order is what an order is: its message on the queue, its receipt and the receipt's signature.
package order

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Request is what a customer sends.
type Request struct {
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
	Email    string `json:"email"`
}

// Check says what is wrong with a request, in words for the customer.
func (r Request) Check() error {
	switch {
	case strings.TrimSpace(r.Item) == "":
		return errors.New("item is missing: name what you want")
	case r.Quantity < 1 || r.Quantity > 1000:
		return fmt.Errorf("quantity is %d: give a number from 1 to 1000", r.Quantity)
	case !strings.Contains(r.Email, "@"):
		return errors.New("email is not an address: give one such as you@example.com")
	}
	return nil
}

// Message is an order on the queue: only its id, so that whoever handles it asks the database.
type Message struct {
	ID string `json:"id"`
}

// ReadMessage decodes the body of a queue's message.
func ReadMessage(body string) (Message, error) {
	var message Message
	if err := json.Unmarshal([]byte(body), &message); err != nil {
		return Message{}, fmt.Errorf("the message is no order: %w", err)
	}
	if message.ID == "" {
		return Message{}, errors.New("the message is no order: it has no id")
	}
	return message, nil
}

// NewID returns a random order id.
func NewID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	return "o-" + hex.EncodeToString(random[:])
}

// Receipt is what the customer gets, kept in the bucket.
type Receipt struct {
	ID        string `json:"id"`
	Item      string `json:"item"`
	Quantity  int    `json:"quantity"`
	Signature string `json:"signature,omitempty"`
}

// Key returns the receipt's place in the bucket.
func (r Receipt) Key() string { return "receipts/" + r.ID + ".json" }

// Sign returns the receipt with its signature.
func (r Receipt) Sign(key string) Receipt {
	r.Signature = r.mac(key)
	return r
}

// Genuine reports whether the signature was made with the key.
func (r Receipt) Genuine(key string) bool {
	return hmac.Equal([]byte(r.Signature), []byte(r.mac(key)))
}

func (r Receipt) mac(key string) string {
	hash := hmac.New(sha256.New, []byte(key))
	// Quoted, so that no item's name can be read as another item with another quantity.
	fmt.Fprintf(hash, "%q %q %d", r.ID, r.Item, r.Quantity)
	return hex.EncodeToString(hash.Sum(nil))
}
