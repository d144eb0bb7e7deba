package docker

import (
	"strings"
	"testing"
)

func TestWhatTheRuntimeSaysOfAContainerThatIsGone(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0a", 32)
	for _, text := range []string{
		"task " + id + " not found: not found",
		"container " + id + " not found",
		"cannot exec in a deleted state: unknown",
		"cannot exec in a stopped state: unknown",
		"OCI runtime exec failed: exec failed: cannot exec a container that has stopped: unknown",
	} {
		if !runtimeGone.MatchString(text) {
			t.Errorf("%q says that the container is gone", text)
		}
	}
	for _, text := range []string{
		"task 0a not found", "the file " + id + " not found", "cannot exec this",
		"OCI runtime exec failed: exec failed: exec: \"x\": executable file not found in $PATH: unknown",
	} {
		if runtimeGone.MatchString(text) {
			t.Errorf("%q says nothing of the container", text)
		}
	}
}
