package cli

import (
	"bytes"
	"testing"
)

func TestVersion(t *testing.T) {
	root := New("1.2.3")
	var output bytes.Buffer
	root.SetOut(&output)
	root.SetArgs([]string{"version"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if got := output.String(); got != "sundog 1.2.3\n" {
		t.Errorf("got %q", got)
	}
}

func TestUnknownCommandIsAnError(t *testing.T) {
	root := New("1.2.3")
	root.SetArgs([]string{"nonsense"})
	if err := root.Execute(); err == nil {
		t.Error("an unknown command must be an error")
	}
}
