package kubernetes

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// makingPatience is how long a container may fail to be made on a node that has much to do. The node gives up on a ConfigMap or
// Secret after a minute, and on its container runtime after two, and tries again by itself each time.
const makingPatience = 3 * time.Minute

// cacheMessage is what a node says that has not read a ConfigMap or Secret in time.
const cacheMessage = "cache: timed out waiting for the condition"

// makingReasons are the reasons for which a container waits that could not be made; the node goes on trying.
var makingReasons = []string{"CreateContainerConfigError", "CreateContainerError"}

// busyMessages are what a node says of a container that it will yet make.
var busyMessages = []string{
	cacheMessage,
	"not registered",            // It has not begun to read the ConfigMap or Secret.
	"context deadline exceeded", // Its container runtime was slow.
	"is reserved for",           // The attempt that it gave up still goes on.
}

// waitingError is that a container waits in vain.
type waitingError struct {
	image, reason, message, remedy string
}

func (e *waitingError) Error() string {
	return "image " + e.image + reasonText(e.reason, e.message) + e.remedy
}

// nodeIsBusy tells that a container could not be made only because its node has much to do.
func (w *startWaiter) nodeIsBusy(cause error) bool {
	waiting, ok := errors.AsType[*waitingError](cause)
	if !ok || !slices.Contains(makingReasons, waiting.reason) {
		return false
	}
	if !slices.ContainsFunc(busyMessages, func(text string) bool { return strings.Contains(waiting.message, text) }) {
		return false
	}
	if w.busy.IsZero() {
		w.busy = time.Now()
	}
	return time.Since(w.busy) < makingPatience
}
