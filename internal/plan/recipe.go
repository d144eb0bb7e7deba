package plan

import "time"

// Recipe is a way to ask a service something; it is an ExecRecipe, an HTTPRecipe or an ExitRecipe.
type Recipe interface{ recipe() }

// ExecRecipe runs a command without a shell.
type ExecRecipe struct {
	Command []string // [runtime]
	// Extract maps a key to a jq expression whose input is the output as one JSON string.
	Extract map[string]string
}

// HTTPRecipe sends one HTTP request.
type HTTPRecipe struct {
	Method      string // GET or POST
	PortID      string
	Endpoint    string // appended to http://host:port [runtime]
	Body        string // [runtime]
	ContentType string
	Headers     map[string]string // values [runtime]
	// Extract maps a key to a jq expression whose input is the body parsed as JSON.
	Extract map[string]string
}

// ExitRecipe asks how the service's process ended. There is no answer before it has, and afterwards always the same one.
// It goes with a wait only.
type ExitRecipe struct{}

func (*ExecRecipe) recipe() {}
func (*HTTPRecipe) recipe() {}
func (*ExitRecipe) recipe() {}

// Condition is an assertion about one field of a recipe's result, repeated until it holds or Timeout has passed.
type Condition struct {
	Field     string // code, output, body or extract.<key>
	Assertion string // ==, !=, >=, >, <=, <, IN or NOT_IN
	Target    any    // [runtime]
	Interval  time.Duration
	Timeout   time.Duration
}

// ReadyCondition is what must hold before a service counts as ready.
type ReadyCondition struct {
	Recipe    Recipe
	Condition Condition
}
