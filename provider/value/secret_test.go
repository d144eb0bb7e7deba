package value

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecretsAreMaskedEverywhere(t *testing.T) {
	secrets := NewSecrets(map[string]any{"token": "hunter22", "pin": int64(123456), "long": []any{"hunter22-and-more"}, "short": "ab", "quoted": "a\"b\\c"})
	for text, want := range map[string]string{
		"bad token hunter22!":           "bad token (sensitive)!",
		"hunter22-and-more":             "(sensitive)",
		"pin=123456":                    "pin=(sensitive)",
		"ab":                            "ab",
		`{"x":"a\"b\\c"}`:               `{"x":"(sensitive)"}`,
		"nothing to see, hunter2 only.": "nothing to see, hunter2 only.",
	} {
		if got := secrets.Mask(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	masked, found := secrets.MaskAny(map[string]any{"url": "http://hunter22@x", "n": int64(5), "pin": int64(123456), "list": []any{"hunter22"}, "short": "ab12345612"})
	want := map[string]any{"short": "ab12345612", "url": "http://(sensitive)@x", "n": int64(5), "pin": "(sensitive)", "list": []any{"(sensitive)"}}
	if diff := cmp.Diff(want, masked); diff != "" || !found {
		t.Error(diff, found)
	}
	if _, found := secrets.MaskAny([]any{"clean", int64(1)}); found {
		t.Error("there was nothing to mask")
	}
}

func TestZeroSecretsMaskNothing(t *testing.T) {
	if got := (Secrets{}).Mask("text"); got != "text" {
		t.Error(got)
	}
}
