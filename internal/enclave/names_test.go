package enclave

import (
	"strings"
	"testing"
)

func TestRunNameIsAName(t *testing.T) {
	for packageName, want := range map[string]string{
		"github.com/acme/shop":          "shop",
		"github.com/acme/Shop_Front.v2": "shop-front-v2",
		"shop":                          "shop",
		"github.com/acme/2048":          "run",
		"":                              "run",
		"github.com/acme/" + strings.Repeat("x", 39) + "-y": strings.Repeat("x", 39),
	} {
		got := RunName(packageName)
		if got != want {
			t.Errorf("%q: %q, want %q", packageName, got, want)
		}
		if err := CheckServiceName(got); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckOwner(t *testing.T) {
	for _, owner := range []string{"a", "ann.laptop", "F00_b-r", strings.Repeat("x", 63)} {
		if err := CheckOwner(owner); err != nil {
			t.Error(err)
		}
	}
	for _, owner := range []string{"", ".a", "a b", "ann@laptop", strings.Repeat("x", 64)} {
		if CheckOwner(owner) == nil {
			t.Errorf("%q cannot stand in a label", owner)
		}
	}
}
