package order_test

import (
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/order"
)

func TestRequestCheck(t *testing.T) {
	good := order.Request{Item: "tent", Quantity: 2, Email: "a@example.com"}
	if err := good.Check(); err != nil {
		t.Errorf("a good request is refused: %v", err)
	}
	for name, bad := range map[string]order.Request{
		"no item":      {Item: " ", Quantity: 2, Email: "a@example.com"},
		"nothing":      {Item: "tent", Quantity: 0, Email: "a@example.com"},
		"too much":     {Item: "tent", Quantity: 1001, Email: "a@example.com"},
		"not an email": {Item: "tent", Quantity: 2, Email: "a"},
	} {
		if bad.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReadMessage(t *testing.T) {
	message, err := order.ReadMessage(`{"id":"o-1","more":true}`)
	if err != nil || message.ID != "o-1" {
		t.Errorf("ReadMessage() = %v, %v", message, err)
	}
	for _, body := range []string{"", "o-1", "{}", `{"id":1}`} {
		if _, err := order.ReadMessage(body); err == nil {
			t.Errorf("%q is taken for an order", body)
		}
	}
}

func TestReceiptSignature(t *testing.T) {
	receipt := order.Receipt{ID: order.NewID(), Item: "tent", Quantity: 2}.Sign("key")
	if !receipt.Genuine("key") {
		t.Error("the receipt's own signature is refused")
	}
	if receipt.Genuine("another key") {
		t.Error("the signature does not depend on the key")
	}
	forged := receipt
	forged.Quantity = 20
	if forged.Genuine("key") {
		t.Error("the signature does not cover the quantity")
	}
}

func TestNewIDDiffers(t *testing.T) {
	if first, second := order.NewID(), order.NewID(); first == second {
		t.Errorf("two orders have the id %s", first)
	}
}
