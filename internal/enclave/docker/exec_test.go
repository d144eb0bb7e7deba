package docker

import (
	"strings"
	"testing"
)

func TestWhatTheRuntimeSaysOfAContainerThatIsGone(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0a", 32)
	for text, want := range map[string]bool{
		"task " + id + " not found: not found":                                                    true,
		"container " + id + " not found":                                                          true,
		"cannot exec in a deleted state: unknown":                                                 true,
		"cannot exec in a stopped state: unknown":                                                 true,
		"OCI runtime exec failed: exec failed: cannot exec a container that has stopped: unknown": true,
		"cannot exec this":                                                                        false,
		"task 0a not found":                                                                       false,
		"the file " + id + " not found":                                                           false,
		"OCI runtime exec failed: exec failed: no":                                                false,
	} {
		if got := runtimeGone.MatchString(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
