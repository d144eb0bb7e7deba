package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/moby/api/types/jsonstream"
)

// traceID marks the messages of a build's answer that hold BuildKit's own account of it.
const traceID = "moby.buildkit.trace"

// readTrace follows a build to its end. An error names the step that failed and has the step's last lines of output.
func readTrace(stream io.Reader, tell func(string)) error {
	decoder := json.NewDecoder(stream)
	account := buildAccount{tell: tell, steps: map[string]*buildStep{}}
	for {
		var message jsonstream.Message
		err := decoder.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow the build: %w", err)
		}
		if message.Error != nil {
			return account.failure(message.Error.Message)
		}
		if message.ID == traceID && message.Aux != nil {
			if err := account.add(*message.Aux); err != nil {
				return fmt.Errorf("follow the build: %w", err)
			}
		}
	}
}

// buildAccount is what is known of a build's steps.
type buildAccount struct {
	tell   func(string)
	steps  map[string]*buildStep // by digest
	failed *buildStep
}

// buildStep is one step of a build.
type buildStep struct {
	name   string
	told   bool
	output strings.Builder
}

func (a *buildAccount) step(digest string) *buildStep {
	if a.steps[digest] == nil {
		a.steps[digest] = &buildStep{}
	}
	return a.steps[digest]
}

// add takes one message into the account.
func (a *buildAccount) add(message json.RawMessage) error {
	var encoded []byte
	if err := json.Unmarshal(message, &encoded); err != nil {
		return err
	}
	var status control.StatusResponse
	if err := status.UnmarshalVT(encoded); err != nil {
		return err
	}
	for _, vertex := range status.Vertexes {
		step := a.step(vertex.Digest)
		step.name = vertex.Name
		// What BuildKit does for itself is no step of the build file's author.
		if !step.told && vertex.Started != nil && !strings.HasPrefix(vertex.Name, "[internal]") {
			step.told = true
			a.tell(vertex.Name)
		}
		// Steps that run beside the one that fails are cancelled.
		if vertex.Error != "" && (a.failed == nil || !strings.Contains(vertex.Error, "context canceled")) {
			a.failed = step
		}
	}
	for _, line := range status.Logs {
		a.step(line.Vertex).output.Write(line.Msg)
	}
	return nil
}

func (a *buildAccount) failure(message string) error {
	if a.failed == nil {
		return errors.New(message)
	}
	if strings.TrimSpace(a.failed.output.String()) == "" {
		return fmt.Errorf("step %q failed: %s", a.failed.name, message)
	}
	return fmt.Errorf("step %q failed: %s; its last output was:\n%s", a.failed.name, message, strings.Join(lastOf(a.failed.output.String()), "\n"))
}
