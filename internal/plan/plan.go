// Package plan is what a package asks for, as pure data: the ordered instructions that interpreting it recorded.
//
// It is the ground floor of the house: it imports neither an engine's client nor the Starlark interpreter, and it
// performs no side effect other than reading the files that a plan carries along.
package plan

import "fmt"

// Plan is the result of interpreting one package with one set of arguments. Two interpretations of the same package
// with the same arguments yield equal plans.
type Plan struct {
	// PackageName is the name that kurtosis.yml declares, or a stand-in for it where there is none.
	PackageName string
	// Description is the text of kurtosis.yml, free Markdown.
	Description string
	// Parameters of the entry function, in declared order.
	Parameters []Parameter
	// Instructions in the order in which they were recorded. A service is started only after everything before it holds.
	Instructions []Instruction
	// Output is what the entry function returned: nil, bool, int64, *big.Int, float64, string, []any or map[string]any.
	// Strings in it may hold runtime values.
	Output any
	// Warnings that a user should see once.
	Warnings []Warning
	// Files maps each file of a local root package to its SHA-256 (lower-case hexadecimal); nil for a remote one.
	Files map[string]string
	// Packages are the remote repositories that interpretation used, sorted by locator.
	Packages []PackageReference
}

// Parameter describes one parameter of a package's entry function as its signature and docstring tell.
type Parameter struct {
	Name     string
	Type     string // as the docstring spells it, for example "list[string]"; empty when it says nothing
	Default  any    // JSON-like value, nil when there is none
	Required bool
	Doc      string
}

// Position is a place in a Starlark file.
type Position struct {
	File   string // relative to the package's root, or a locator for files of other packages
	Line   int    // 1-based
	Column int    // 1-based
}

// String gives file:line:column.
func (p Position) String() string {
	if p.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Caller is a place in a function from which another function was called.
type Caller struct {
	Position Position
	Function string
}

// Warning is something that the author of a package should know but that stops nothing.
type Warning struct {
	Position Position
	Message  string
}

// PackageReference is one remote repository at one commit.
type PackageReference struct {
	Locator string
	Commit  string
}

// Instruction is one recorded call of a plan function.
type Instruction struct {
	// Name of the plan function, for example "add_service".
	Name string
	// Position of the call.
	Position Position
	// Callers are the calls that led to it, outermost first; none for one that stands in the entry function itself.
	Callers []Caller
	// Description is the one line that is shown while it is carried out.
	Description string
	// Arguments as they were given, in JSON-like values, for display only. Runtime values stand in it as written.
	Arguments map[string]any
	// Operation is what is to be done.
	Operation Operation
}

// Services returns the specs of all services that the plan adds, by name. A service that a later instruction removes
// is not among them.
func (p *Plan) Services() map[string]*ServiceSpec {
	services := map[string]*ServiceSpec{}
	for i := range p.Instructions {
		switch operation := p.Instructions[i].Operation.(type) {
		case *AddServices:
			for j := range operation.Services {
				services[operation.Services[j].Name] = &operation.Services[j]
			}
		case *RemoveService:
			delete(services, operation.Service)
		}
	}
	return services
}

// Artifacts returns the names of all files artifacts that the plan makes, in the order of their making.
func (p *Plan) Artifacts() []string {
	var names []string
	for i := range p.Instructions {
		names = append(names, p.Instructions[i].Operation.Produces()...)
	}
	return names
}
