package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Error is a failure of one instruction. What earlier instructions did stays.
type Error struct {
	// Position of the instruction in its package; zero where the plan came from no package.
	Position plan.Position
	// Callers are the calls that led to it, outermost first.
	Callers []plan.Caller
	// Instruction is the plan function's name, Description the line that was shown for it.
	Instruction string
	Description string
	// Service is the service that the failure is about; empty if it is about none.
	Service string
	Err     error
	redact  *strings.Replacer
}

// Error gives position, description and cause. Known secrets are left out.
func (e *Error) Error() string {
	var text strings.Builder
	if position := e.Position.String(); position != "" {
		text.WriteString(position + ": ")
	}
	what := e.Description
	if what == "" {
		what = e.Instruction
	}
	if what != "" {
		text.WriteString(plan.ReadableRuntimeValues(what) + ": ")
	}
	text.WriteString(e.Err.Error())
	for _, caller := range slices.Backward(e.Callers) {
		fmt.Fprintf(&text, "\n  called at %s in %s", caller.Position, caller.Function)
	}
	if e.redact == nil {
		return text.String()
	}
	return e.redact.Replace(text.String())
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// serviceError notes which service a failure is about.
type serviceError struct {
	service string
	err     error
}

func (e *serviceError) Error() string { return e.err.Error() }
func (e *serviceError) Unwrap() error { return e.err }

// instructionError places a cause at an instruction. A failure of several services becomes one error each.
func instructionError(instruction *plan.Instruction, err error) error {
	if err == nil {
		return nil
	}
	placed := &Error{Position: instruction.Position, Callers: instruction.Callers, Instruction: instruction.Name, Description: instruction.Description, Err: err}
	if about, ok := errors.AsType[*serviceError](err); ok {
		placed.Service = about.service
	} else {
		placed.Service = serviceOf(instruction.Operation)
	}
	return placed
}

// shortSecret is the length below which a secret is not looked for in texts: it would blank out ordinary words.
const shortSecret = 5

// redactor replaces known secrets in texts.
func redactor(p *plan.Plan, further []string) *strings.Replacer {
	var pairs []string
	add := func(secret string) {
		if len(secret) >= shortSecret {
			pairs = append(pairs, secret, "(secret)")
		}
	}
	addSpec := func(spec *plan.ServiceSpec) {
		for _, value := range spec.VolatileEnv {
			add(value)
		}
		if spec.Image.Registry != nil {
			add(spec.Image.Registry.Password)
		}
	}
	for i := range p.Instructions {
		switch operation := p.Instructions[i].Operation.(type) {
		case *plan.AddServices:
			for j := range operation.Services {
				addSpec(&operation.Services[j])
			}
		case *plan.RunTask:
			addSpec(&operation.Service)
		}
	}
	for _, secret := range further {
		add(secret)
	}
	return strings.NewReplacer(pairs...)
}

// unknownValueError tells that a runtime value is not known.
type unknownValueError struct {
	value plan.RuntimeValue
	why   string
}

func (e *unknownValueError) Error() string {
	return fmt.Sprintf("the runtime value %s is not known: %s", plan.ReadableRuntimeValues(e.value.String()), e.why)
}
