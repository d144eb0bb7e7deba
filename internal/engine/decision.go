package engine

import (
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Action is what is done to the object of an instruction.
type Action string

// The actions.
const (
	ActionKeep    Action = "keep"
	ActionCreate  Action = "create"
	ActionReplace Action = "replace"
	// ActionUpdate changes something that needs no new container: readiness is awaited again, an artifact's content is
	// exchanged.
	ActionUpdate Action = "update"
	ActionStart  Action = "start"
	ActionStop   Action = "stop"
	ActionRemove Action = "remove"
	ActionRun    Action = "run"
	// ActionLater stands in a preview for what can only be decided once earlier instructions have run.
	ActionLater Action = "later"
)

// Decision says what is done for one object of one instruction, and why.
type Decision struct {
	// Instruction is the index in the plan; -1 for what happens after the last one.
	Instruction int
	// Position of the instruction in its package.
	Position plan.Position
	// Kind of the object: "service", "artifact" or "step".
	Kind string
	// Object is the service's or artifact's name, or the step's ID.
	Object string
	Action Action
	// Reason in words.
	Reason string
}

// verdict is the part of a decision that the rules give.
type verdict struct {
	action Action
	reason string
}

// serviceWish is what a plan asks of one service, with everything resolved.
type serviceWish struct {
	digest    string
	parts     map[string]string
	readiness string
	// force asks for a new container in any case, with the reason.
	force string
	fate  fate
}

// decideService compares what a plan asks of a service with what is there and what is recorded. Have is nil when there
// is no container, known when the record has nothing. HalfMade tells that an interrupted replacement stands beside it.
func decideService(wish serviceWish, have *enclave.Service, known *serviceRecord, halfMade bool) verdict {
	recorded := known != nil && known.Digest == wish.digest
	if have == nil {
		return decideMissing(wish, known, recorded)
	}
	switch {
	case wish.force != "":
		return verdict{ActionReplace, wish.force}
	case have.Digest == "":
		return verdict{ActionReplace, "its making or its removal was cut off"}
	case have.Digest != wish.digest:
		if known != nil && known.Digest == have.Digest {
			return verdict{ActionReplace, changedParts(known.Parts, wish.parts)}
		}
		return verdict{ActionReplace, "its configuration changed"}
	case halfMade:
		return verdict{ActionReplace, "an interrupted replacement was found beside it"}
	case known != nil && known.Failed && known.ContainerID == have.ID:
		return verdict{ActionReplace, "its last start failed"}
	}
	ready := known != nil && known.ContainerID == have.ID && known.Readiness != ""
	switch have.State {
	case enclave.StateRunning, enclave.StateStarting:
		return decideRunning(wish, have, known, ready)
	case enclave.StateCreated:
		return verdict{ActionStart, "it was made but not started"}
	case enclave.StateExited, enclave.StateStopped:
		return decideEnded(wish, have, known, ready)
	case enclave.StateRemoving:
	}
	return verdict{ActionCreate, "it is being removed by something else"}
}

func decideMissing(wish serviceWish, known *serviceRecord, recorded bool) verdict {
	switch {
	case recorded && known.Fate == fateRemoved && wish.fate == fateRemoved && wish.force == "":
		return verdict{ActionKeep, "it did its part before, and a later instruction removes it"}
	case known != nil && known.Fate != fateRemoved:
		return verdict{ActionCreate, "it is missing: something else removed it"}
	default:
		return verdict{ActionCreate, "it does not exist yet"}
	}
}

func decideRunning(wish serviceWish, have *enclave.Service, known *serviceRecord, ready bool) verdict {
	switch {
	case have.State == enclave.StateStarting && ready:
		// Whatever comes next may need it: it is waited for.
		return verdict{ActionStart, "it is being started again by the backend"}
	case have.State == enclave.StateStarting:
		return verdict{ActionStart, "it was still being started when an apply was cut off"}
	case !ready && known != nil && known.Digest == wish.digest && known.ContainerID != have.ID:
		return verdict{ActionUpdate, "something else has replaced its container"}
	case !ready:
		return verdict{ActionUpdate, "it is not known yet whether it is ready"}
	case known.Readiness != wish.readiness:
		return verdict{ActionUpdate, "what it must fulfil to be ready changed"}
	default:
		return verdict{ActionKeep, "nothing changed"}
	}
}

func decideEnded(wish serviceWish, have *enclave.Service, known *serviceRecord, ready bool) verdict {
	status := statusOf(have)
	switch {
	case ready && known.Fate == fateStopped && wish.fate == fateStopped:
		return verdict{ActionKeep, "it is stopped, as a later instruction asks"}
	case ready && known.Completed && have.State == enclave.StateExited && have.ExitCode == 0:
		return verdict{ActionKeep, "its process came to its end with success"}
	case !ready:
		return verdict{ActionReplace, "it was never ready and is " + status}
	default:
		return verdict{ActionStart, "it is " + status}
	}
}

// stepWish is what a plan asks of one imperative instruction, with everything resolved.
type stepWish struct {
	digest string
	parts  map[string]string
	// once is the digest of the wording of an instruction that runs only once.
	once string
	// known is what is recorded of the instruction, or nil.
	known *stepRecord
}

// The parts of an imperative instruction's digest.
const (
	partArguments = "arguments"
	partService   = "service"
	partEarlier   = "earlier"
)

// decideStep compares an imperative instruction with what is recorded of it. Stored tells whether a files artifact that
// it made is still there.
func decideStep(wish stepWish, service string, known *stepRecord, produces []string, stored func(digest string) bool) verdict {
	if known == nil {
		return verdict{ActionRun, "it has not run yet"}
	}
	if known.Digest != wish.digest {
		switch {
		case known.Parts[partService] != wish.parts[partService]:
			return verdict{ActionRun, fmt.Sprintf("service %q was replaced", service)}
		case known.Parts[partArguments] != wish.parts[partArguments]:
			return verdict{ActionRun, "its arguments changed"}
		default:
			return verdict{ActionRun, fmt.Sprintf("an earlier instruction on service %q changed", service)}
		}
	}
	if missing := missingOf(produces, known, stored); missing != "" {
		return verdict{ActionRun, fmt.Sprintf("files artifact %q is missing", missing)}
	}
	return verdict{ActionKeep, "nothing changed"}
}

const onlyOnce = "it ran before, and runs only once"

// decideOnce is for an instruction that runs only once: neither a replaced service nor anything before it counts.
func decideOnce(known *stepRecord, produces []string, stored func(digest string) bool) verdict {
	if known == nil {
		return verdict{ActionRun, "it has not run yet"}
	}
	if missing := missingOf(produces, known, stored); missing != "" {
		return verdict{ActionRun, fmt.Sprintf("files artifact %q is missing", missing)}
	}
	return verdict{ActionKeep, onlyOnce}
}

// missingOf names a files artifact that an instruction made and that is not there any more.
func missingOf(produces []string, known *stepRecord, stored func(digest string) bool) string {
	for _, name := range produces {
		if digest := known.Artifacts[name]; digest == "" || !stored(digest) {
			return name
		}
	}
	return ""
}

// decideCheck tells whether a comparison has to be made: equal values compare as they did before.
func decideCheck(held bool) verdict {
	if held {
		return verdict{ActionKeep, "nothing changed"}
	}
	return verdict{ActionRun, "it has not held for these values yet"}
}

// decideArtifact compares the content that a plan gives to a files artifact with what is recorded and stored.
func decideArtifact(digest, recorded string, stored bool) verdict {
	switch {
	case recorded == "":
		return verdict{ActionCreate, "it does not exist yet"}
	case recorded != digest:
		return verdict{ActionUpdate, "its content changed"}
	case !stored:
		return verdict{ActionCreate, "its content is missing: something else removed it"}
	default:
		return verdict{ActionKeep, "nothing changed"}
	}
}

// StateMissing is the state of a service that the record knows and that is gone.
const StateMissing enclave.State = "missing"

// statusOf gives a service's state in the words that users see.
func statusOf(service *enclave.Service) string {
	switch {
	case service.State == enclave.StateExited && service.OutOfMemory:
		return fmt.Sprintf("out of memory (%d)", service.ExitCode)
	case service.State == enclave.StateExited:
		return fmt.Sprintf("exited (%d)", service.ExitCode)
	default:
		return string(service.State)
	}
}
