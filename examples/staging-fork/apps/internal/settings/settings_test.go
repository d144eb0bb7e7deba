package settings_test

import (
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/examples/staging-fork/apps/internal/settings"
)

func TestReader(t *testing.T) {
	environment := map[string]string{"URL": "postgres://user:hunter2@db/orders", "EMPTY": ""}
	reader := settings.From(func(name string) (string, bool) {
		value, found := environment[name]
		return value, found
	})
	if got := reader.Required("URL"); got != environment["URL"] {
		t.Errorf("Required(URL) = %q", got)
	}
	if err := reader.Err(); err != nil {
		t.Errorf("nothing is missing, but Err() = %v", err)
	}
	if got := reader.Optional("EMPTY", "fallback"); got != "fallback" {
		t.Errorf("Optional(EMPTY) = %q, want the fallback", got)
	}
	reader.Required("EMPTY")
	reader.Required("ABSENT")
	err := reader.Err()
	if err == nil {
		t.Fatal("two variables are missing, but Err() is nil")
	}
	for _, name := range []string{"EMPTY", "ABSENT"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%q gives a value away", err)
	}
}
