// Package language is the Starlark dialect of packages: interpreting a package with arguments yields a plan.Plan. It has
// no side effects, is deterministic and bounded, and carries nothing out.
package language

import (
	"context"
	"errors"
	"time"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Limits bound one interpretation; zero means the default.
type Limits struct {
	// Steps of the Starlark interpreter, all files together; default DefaultSteps.
	Steps uint64
	// Memory in bytes by which the process may grow, best effort; default DefaultMemory.
	Memory int64
	// Time until the interpretation is given up, fetching of packages included; default DefaultTime.
	Time time.Duration
}

// The limits that hold when a request names none. The largest public packages need less than a hundredth of each.
const (
	DefaultSteps  = 500_000_000
	DefaultMemory = 2 << 30
	DefaultTime   = 5 * time.Minute
)

// Request says how a package is to be interpreted.
type Request struct {
	// Args for the entry function: nil, bool, int64, *big.Int, float64, string, []any, map[string]any.
	Args map[string]any
	// OrderedArgs, where given, stand in place of Args.
	OrderedArgs *OrderedArgs
	// MainFile is relative to the package's folder; empty means main.star.
	MainFile string
	// MainFunction is the entry function; empty means run.
	MainFunction string
	// Backend is what get_cluster_type gives: "docker" (also when empty), "kubernetes" or "podman".
	Backend string
	// AllowPrivileged lets services be privileged, share the host's processes and mount the engine's socket (Docker only).
	AllowPrivileged bool
	Limits          Limits
	// Existing are services of earlier runs and their ports, for get_service and for validation.
	Existing map[string]map[string]plan.Port
	// ExistingArtifacts are files artifacts of earlier runs, for validation.
	ExistingArtifacts []string
	// Others, where given, is asked for the two above when a package looks for what it has not made itself, and not before.
	Others func(ctx context.Context) (*Others, error)
	// SharedEnclave tells that other runs of the enclave may have services and files artifacts which only the engine knows: a
	// name that the plan does not have is then no mistake yet, and is looked for while the plan is carried out.
	SharedEnclave bool
}

// Others is what other runs have put into an enclave.
type Others struct {
	Services  map[string]map[string]plan.Port
	Artifacts []string
}

const (
	defaultMainFile     = "main.star"
	defaultMainFunction = "run"
)

func (r Request) withDefaults() Request {
	if r.MainFile == "" {
		r.MainFile = defaultMainFile
	}
	if r.MainFunction == "" {
		r.MainFunction = defaultMainFunction
	}
	if r.Backend == "" {
		r.Backend = "docker"
	}
	if r.Limits.Steps == 0 {
		r.Limits.Steps = DefaultSteps
	}
	if r.Limits.Memory == 0 {
		r.Limits.Memory = DefaultMemory
	}
	if r.Limits.Time == 0 {
		r.Limits.Time = DefaultTime
	}
	return r
}

// Interpret runs a package's entry function and validates what it asks for. Errors are of type *Error.
func Interpret(ctx context.Context, pkg *locator.Package, request Request) (*plan.Plan, error) {
	in := newInterpreter(ctx, pkg, request.withDefaults())
	var made *plan.Plan
	err := in.guarded(func() error {
		entry, err := in.entry()
		if err != nil {
			return err
		}
		output, err := in.run(entry)
		if err != nil {
			return err
		}
		if made, err = in.finish(entry, output); err != nil {
			return err
		}
		if problems := append(in.unknown, validate(made, in.request)...); len(problems) > 0 {
			return validationError(problems)
		}
		return nil
	})
	if err != nil {
		return nil, in.interpretationError(err)
	}
	return made, nil
}

// Parameters tells what a package's entry function takes. It runs the top level of the package's files and no more.
func Parameters(ctx context.Context, pkg *locator.Package, mainFile, mainFunction string) ([]plan.Parameter, error) {
	request := Request{MainFile: mainFile, MainFunction: mainFunction}
	in := newInterpreter(ctx, pkg, request.withDefaults())
	var parameters []plan.Parameter
	err := in.guarded(func() error {
		entry, err := in.entry()
		if err != nil {
			return err
		}
		parameters = entry.parameters()
		return nil
	})
	if err != nil {
		return nil, in.interpretationError(err)
	}
	return parameters, nil
}

// finish puts the plan together.
func (in *interpreter) finish(entry *entry, output starlark.Value) (*plan.Plan, error) {
	made := &plan.Plan{
		PackageName: in.pkg.Name, Description: in.pkg.Description,
		Parameters: entry.parameters(), Instructions: in.instructions, Output: outputData(output),
		Warnings: in.backendWarnings(), Packages: in.pkg.Used(),
	}
	var err error
	if made.Files, err = in.pkg.Files(in.ctx); err != nil {
		return nil, err
	}
	for _, warning := range in.pkg.Warnings() {
		made.Warnings = append(made.Warnings, plan.Warning{Message: warning})
	}
	return made, nil
}

// outputData is what the entry function returned. If any part of it has no JSON form, it is the text that Starlark
// prints, as upstream.
func outputData(output starlark.Value) any {
	if output == nil {
		return nil
	}
	data, err := toData(output)
	switch {
	case err == nil:
		return data
	case errors.Is(err, errTooDeep), errors.Is(err, errTooMuch):
		return "(" + err.Error() + ")"
	}
	return displayData(output, nil)
}
