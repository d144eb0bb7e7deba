// Package preview is what a package would do, in the form that people and programs read: one document behind the command
// `sundog package plan` and the data source sundog_package. It carries nothing out, and shows no secret of an image's
// registry.
package preview

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Document is a package's preview. Runtime values in its texts read {{producer.field}}, and are the same from run to run.
type Document struct {
	OK           bool               `json:"ok"`
	Package      string             `json:"package"`
	Error        *Error             `json:"error"`
	Warnings     []string           `json:"warnings"`
	Parameters   []Parameter        `json:"parameters"`
	Instructions []Instruction      `json:"instructions"`
	Services     map[string]Service `json:"services"`
	// Artifacts are the names of the files artifacts that the package makes, in the order of their making.
	Artifacts []string `json:"artifacts"`
	// Images of services and tasks, sorted.
	Images   []string    `json:"images"`
	Packages []Reference `json:"packages"`
	Output   any         `json:"output"`
}

// Error is why a package yields no plan.
type Error struct {
	// Phase is "interpretation" or "validation".
	Phase   string `json:"phase"`
	Message string `json:"message"`
	// Position is file:line:column of the first problem; empty when it is in no file.
	Position string `json:"position"`
	// Backtrace of the calls that led to the error, outermost first.
	Backtrace []string `json:"backtrace"`
	// LoadedBy says which imports led to the file, outermost first.
	LoadedBy []string `json:"loaded_by,omitempty"`
	// Problems are all that validation found, when there are several.
	Problems []string `json:"problems,omitempty"`
}

// Parameter is one parameter of the package's function.
type Parameter struct {
	Name string `json:"name"`
	// Type as the docstring spells it; empty when it says nothing.
	Type     string `json:"type"`
	Default  any    `json:"default"`
	Required bool   `json:"required"`
	Doc      string `json:"doc"`
}

// Instruction is one recorded instruction.
type Instruction struct {
	Name        string         `json:"name"`
	Position    string         `json:"position"`
	Description string         `json:"description"`
	Arguments   map[string]any `json:"arguments"`
}

// Service is one service as the plan leaves it.
type Service struct {
	Image      string            `json:"image"`
	Build      *Build            `json:"build"`
	Ports      map[string]Port   `json:"ports"`
	Entrypoint []string          `json:"entrypoint"`
	Cmd        []string          `json:"cmd"`
	EnvVars    map[string]string `json:"env_vars"`
	Files      map[string]Mount  `json:"files"`
}

// Build is how a service's image is made.
type Build struct {
	// ContextDigest is the digest of the build context's files.
	ContextDigest string            `json:"context_digest"`
	BuildFile     string            `json:"build_file"`
	TargetStage   string            `json:"target_stage,omitempty"`
	BuildArgs     map[string]string `json:"build_args,omitempty"`
}

// Port is one port of a service.
type Port struct {
	Number            int    `json:"number"`
	TransportProtocol string `json:"transport_protocol"`
	// ApplicationProtocol is empty when the package names none.
	ApplicationProtocol string `json:"application_protocol"`
}

// Mount is what stands at a path: files artifacts or a persistent directory. A single artifact is written as its name.
type Mount struct {
	ArtifactNames []string `json:"artifact_names,omitempty"`
	PersistentKey string   `json:"persistent_key,omitempty"`
	// Seed is what a persistent directory holds when it is new.
	Seed []string `json:"seed,omitempty"`
}

// MarshalJSON writes a single artifact as its name, as packages do.
func (m Mount) MarshalJSON() ([]byte, error) {
	if len(m.ArtifactNames) == 1 && m.PersistentKey == "" {
		return json.Marshal(m.ArtifactNames[0])
	}
	type plain Mount
	return json.Marshal(plain(m))
}

// Reference is a repository that interpretation used.
type Reference struct {
	Locator string `json:"locator"`
	Commit  string `json:"commit"`
}

// empty is a document in which every list is there, so that programs need not tell null from nothing.
func empty() *Document {
	return &Document{
		Warnings: []string{}, Parameters: []Parameter{}, Instructions: []Instruction{}, Services: map[string]Service{},
		Artifacts: []string{}, Images: []string{}, Packages: []Reference{},
	}
}

// Of describes a plan.
func Of(made *plan.Plan) *Document {
	d := empty()
	d.OK, d.Package, d.Output = true, made.PackageName, readable(made.Output)
	d.parameters(made.Parameters)
	for _, warning := range made.Warnings {
		d.Warnings = append(d.Warnings, warningText(warning))
	}
	for _, instruction := range made.Instructions {
		arguments, _ := readable(instruction.Arguments).(map[string]any)
		if arguments == nil {
			arguments = map[string]any{}
		}
		d.Instructions = append(d.Instructions, Instruction{
			Name: instruction.Name, Position: instruction.Position.String(),
			Description: plan.ReadableRuntimeValues(instruction.Description), Arguments: arguments,
		})
	}
	for name, spec := range made.Services() {
		d.Services[name] = describe(spec)
	}
	d.Artifacts = append(d.Artifacts, made.Artifacts()...)
	d.Images = append(d.Images, images(made)...)
	for _, reference := range made.Packages {
		d.Packages = append(d.Packages, Reference(reference))
	}
	return d
}

// About describes a package without a plan: what it is called and what it takes.
func About(name string, parameters []plan.Parameter) *Document {
	d := empty()
	d.Package = name
	d.parameters(parameters)
	return d
}

// Fail notes in a document why there is no plan.
func (d *Document) Fail(err error) *Document {
	d.OK = false
	d.Error = &Error{Phase: language.PhaseInterpretation, Message: plan.ReadableRuntimeValues(err.Error()), Backtrace: []string{}}
	var known *language.Error
	if !errors.As(err, &known) {
		return d
	}
	d.Error.Phase, d.Error.Position = known.Phase, known.Position.String()
	d.Error.Message = plan.ReadableRuntimeValues(known.Message)
	for _, frame := range known.Backtrace {
		d.Error.Backtrace = append(d.Error.Backtrace, frame.String())
	}
	d.Error.LoadedBy = known.LoadChain
	if len(known.Problems) > 1 {
		for _, problem := range known.Problems {
			d.Error.Problems = append(d.Error.Problems, plan.ReadableRuntimeValues(problem.String()))
		}
	}
	return d
}

func (d *Document) parameters(parameters []plan.Parameter) {
	for _, parameter := range parameters {
		d.Parameters = append(d.Parameters, Parameter(parameter))
	}
}

func warningText(warning plan.Warning) string {
	text := plan.ReadableRuntimeValues(warning.Message)
	if at := warning.Position.String(); at != "" {
		text = at + ": " + text
	}
	return text
}

func describe(spec *plan.ServiceSpec) Service {
	service := Service{
		Image: spec.Image.Name, Ports: map[string]Port{}, Entrypoint: readableList(spec.Entrypoint), Cmd: readableList(spec.Cmd),
		EnvVars: map[string]string{}, Files: map[string]Mount{},
	}
	if build := spec.Image.Build; build != nil {
		service.Build = &Build{BuildFile: build.BuildFile, TargetStage: build.TargetStage, BuildArgs: build.Args}
		if build.Context != nil {
			service.Build.ContextDigest = build.Context.Digest()
		}
	}
	for id, port := range spec.Ports {
		service.Ports[id] = Port{Number: port.Number, TransportProtocol: port.Transport, ApplicationProtocol: port.Application}
	}
	for key, value := range spec.Env {
		service.EnvVars[key] = plan.ReadableRuntimeValues(value)
	}
	for mountPath, mount := range spec.Files {
		service.Files[mountPath] = Mount{ArtifactNames: mount.Artifacts, PersistentKey: mount.PersistentKey, Seed: mount.Seed}
	}
	return service
}

// images lists what services and tasks run, once each.
func images(made *plan.Plan) []string {
	names := map[string]bool{}
	for i := range made.Instructions {
		switch operation := made.Instructions[i].Operation.(type) {
		case *plan.AddServices:
			for j := range operation.Services {
				names[operation.Services[j].Image.Name] = true
			}
		case *plan.RunTask:
			names[operation.Service.Image.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func readableList(texts []string) []string {
	made := make([]string, len(texts))
	for i, text := range texts {
		made[i] = plan.ReadableRuntimeValues(text)
	}
	return made
}

// readable rewrites the runtime values in every string of a JSON-like value; keys are left alone.
func readable(value any) any {
	switch value := value.(type) {
	case string:
		return plan.ReadableRuntimeValues(value)
	case []any:
		made := make([]any, len(value))
		for i, element := range value {
			made[i] = readable(element)
		}
		return made
	case map[string]any:
		made := make(map[string]any, len(value))
		for key, element := range value {
			made[key] = readable(element)
		}
		return made
	}
	return value
}
