package kubernetes

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// busyPatience is how long a node that has much to do may fail at what it will yet do. It gives up on a ConfigMap or Secret after a
// minute, and on its container runtime after two, and tries again by itself each time.
const busyPatience = 3 * time.Minute

// laggingMessages are what a node says that lags behind the API server.
var laggingMessages = []string{
	"cache: timed out waiting for the condition", // It has not read a ConfigMap or Secret in time,
	"not registered",                     // not begun to read it,
	"no relationship found between node", // or may not read it yet.
}

// slowMessages are what a node says whose container runtime is slow.
var slowMessages = []string{
	"context deadline exceeded",
	"is reserved for", // The attempt that was given up still goes on.
}

func lagsBehind(message string) bool { return holdsAny(message, laggingMessages) }

func holdsAny(message string, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(message, text) })
}

// makingReasons are the reasons for which a container waits that could not be made; the node goes on trying.
var makingReasons = []string{"CreateContainerConfigError", "CreateContainerError"}

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
	if !lagsBehind(waiting.message) && !holdsAny(waiting.message, slowMessages) {
		return false
	}
	if w.busy.IsZero() {
		w.busy = time.Now()
	}
	return time.Since(w.busy) < busyPatience
}
