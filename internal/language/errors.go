package language

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// The phases in which a package can fail before anything is carried out.
const (
	PhaseInterpretation = "interpretation"
	PhaseValidation     = "validation"
)

// Error is why a package yields no plan.
type Error struct {
	// Phase is PhaseInterpretation or PhaseValidation.
	Phase string
	// Message without its position; with several problems, all of them.
	Message string
	// Position of the first problem; zero when there is none in a file.
	Position plan.Position
	// Problems are all that validation found, or the parser; a single one otherwise.
	Problems []Problem
	// Backtrace of the calls that led to the error, outermost first.
	Backtrace []Frame
	// LoadChain says which import_module calls led to the file, outermost first.
	LoadChain []string
	// Arguments tells that the caller's arguments are at fault and not the package.
	Arguments bool

	cause error
}

// Problem is one thing that is wrong.
type Problem struct {
	Position plan.Position
	Message  string
}

// Frame is one call on the way to an error.
type Frame struct {
	Position plan.Position
	Function string
}

// Error gives everything in several lines.
func (e *Error) Error() string {
	var out strings.Builder
	out.WriteString(e.Phase + " failed")
	if len(e.Problems) > 1 {
		fmt.Fprintf(&out, " with %d problems:", len(e.Problems))
		for _, problem := range e.Problems {
			out.WriteString("\n  " + indent(problem.String()))
		}
	} else {
		if e.Position.File != "" {
			out.WriteString(" at " + e.Position.String())
		}
		out.WriteString(": " + e.Message)
	}
	if len(e.Backtrace) > 0 {
		out.WriteString("\nbacktrace (most recent call last):")
		for _, frame := range e.Backtrace {
			out.WriteString("\n  " + frame.String())
		}
	}
	if len(e.LoadChain) > 0 {
		out.WriteString("\nloaded by:")
		for _, link := range e.LoadChain {
			out.WriteString("\n  " + link)
		}
	}
	return out.String()
}

// errorAt is an interpretation's error with one problem at a place that is known.
func errorAt(position plan.Position, format string, arguments ...any) *Error {
	message := fmt.Sprintf(format, arguments...)
	return &Error{Phase: PhaseInterpretation, Message: message, Position: position, Problems: []Problem{{Position: position, Message: message}}}
}

// Unwrap gives the cause, such as a context's error or one of package locator.
func (e *Error) Unwrap() error { return e.cause }

// String gives position and message.
func (p Problem) String() string {
	if p.Position.File == "" {
		return p.Message
	}
	return p.Position.String() + ": " + p.Message
}

// String gives position and function.
func (f Frame) String() string { return f.Position.String() + ": in " + f.Function }

func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

func toPosition(position syntax.Position) plan.Position {
	return plan.Position{File: position.Filename(), Line: int(position.Line), Column: int(position.Col)}
}

// interpretationError turns whatever stopped the interpreter into an Error.
func (in *interpreter) interpretationError(err error) *Error {
	if ours, ok := errors.AsType[*Error](err); ok {
		return ours
	}
	made := &Error{Phase: PhaseInterpretation, Message: err.Error(), cause: err}
	var parse syntax.Error
	var names resolve.ErrorList
	switch {
	case errors.As(err, &parse):
		made.Problems = []Problem{{Position: toPosition(parse.Pos), Message: parse.Msg}}
	case errors.As(err, &names):
		for _, name := range names {
			made.Problems = append(made.Problems, Problem{Position: toPosition(name.Pos), Message: name.Msg})
		}
	default:
		in.evaluationError(made, err)
	}
	if len(made.Problems) > 0 {
		made.Position = made.Problems[0].Position
		messages := make([]string, len(made.Problems))
		for i, problem := range made.Problems {
			messages[i] = problem.Message
			if i > 0 {
				messages[i] = problem.String()
			}
		}
		made.Message = strings.Join(messages, "\n")
	}
	return made
}

// evaluationError fills in message, position and backtrace of an error that happened while Starlark code ran.
func (in *interpreter) evaluationError(made *Error, err error) {
	var innermost *starlark.EvalError
	for current := err; ; {
		var found *starlark.EvalError
		if !errors.As(current, &found) {
			break
		}
		innermost, current = found, found.Unwrap()
		if current == nil {
			break
		}
	}
	message := err.Error()
	if innermost != nil {
		message = innermost.Msg
		for _, frame := range innermost.CallStack {
			if frame.Pos.Filename() == "<builtin>" {
				continue
			}
			function := frame.Name
			if function == "<toplevel>" {
				function = "the file's top level"
			}
			made.Backtrace = append(made.Backtrace, Frame{Position: toPosition(frame.Pos), Function: function})
		}
		if last := len(made.Backtrace) - 1; last >= 0 {
			made.Position = made.Backtrace[last].Position
		}
	}
	message = explained(message)
	if reason, cause := in.stopReason(); reason != "" && strings.Contains(message, "cancelled") {
		message, made.cause = reason, cause
	}
	made.Problems = []Problem{{Position: made.Position, Message: message}}
}

// explained adds what the interpreter cannot know: what a runtime value is, and which function of plan was meant.
func explained(message string) string {
	if name, ok := strings.CutPrefix(message, `"plan" struct has no .`); ok && !strings.Contains(message, "did you mean") {
		names := make([]string, len(instructions))
		for i, b := range instructions {
			names[i] = b.name
		}
		name, _, _ = strings.Cut(name, " ")
		return message + didYouMean(name, names)
	}
	if name, ok := strings.CutPrefix(message, "dict has no ."); ok && !strings.Contains(message, "did you mean") {
		name, _, _ = strings.Cut(name, " ")
		return fmt.Sprintf("%s: write [%q]; a package of an earlier version may want its arguments as a struct, by the argument %s = \"struct\"", message, name, parserKey)
	}
	if values := plan.FindRuntimeValues(message); len(values) > 0 {
		return plan.ReadableRuntimeValues(message + ": " + values[0].String() + " is a text that stands for a value, which is known only while the environment runs")
	}
	return message
}

// validationError gathers everything that validation found, in the order of places in the plan.
func validationError(problems []Problem) *Error {
	messages := make([]string, len(problems))
	for i, problem := range problems {
		messages[i] = problem.Message
		if i > 0 {
			messages[i] = problem.String()
		}
	}
	return &Error{
		Phase: PhaseValidation, Message: strings.Join(messages, "\n"), Position: problems[0].Position, Problems: slices.Clone(problems),
	}
}
