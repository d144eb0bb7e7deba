package language

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// entry is the function with which a package's interpretation begins.
type entry struct {
	function  *starlark.Function
	file      string
	isDefault bool
	takesPlan bool
}

const (
	planParameter   = "plan"
	legacyParameter = "args"
	parserKey       = "_kurtosis_parser"
)

// entry loads the main file and finds the entry function.
func (in *interpreter) entry() (*entry, error) {
	file, err := in.mainFile()
	if err != nil {
		return nil, err
	}
	main, err := in.load(file, plan.Position{})
	if err != nil {
		return nil, err
	}
	name := in.request.MainFunction
	function, ok := main.globals[name].(*starlark.Function)
	if other := main.globals[name]; !ok && other != nil {
		return nil, errorAt(plan.Position{File: file.String(), Line: 1, Column: 1}, "No '%s' function found in the file %s of package %s: the global %s is of type %s, and must be made by def",
			name, file, in.pkg.Name, name, other.Type())
	}
	if !ok {
		return nil, errorAt(plan.Position{File: file.String(), Line: 1, Column: 1}, "No '%s' function found in the file %s of package %s: define \"def %s(plan):\"%s",
			name, file, in.pkg.Name, name, didYouMean(name, slices.Sorted(maps.Keys(main.globals))))
	}
	found := &entry{function: function, file: file.String(), isDefault: name == defaultMainFunction}
	if function.NumParams() > 0 {
		first, position := function.Param(0)
		found.takesPlan = first == planParameter
		if found.isDefault && !found.takesPlan {
			return nil, errorAt(toPosition(position), "Expected argument at index '0' of run function to be called 'plan' got '%s': name the first parameter plan", first)
		}
	}
	return found, nil
}

// run calls the entry function with the request's arguments.
func (in *interpreter) run(entry *entry) (starlark.Value, error) {
	arguments, err := in.entryArguments()
	if err != nil {
		return nil, entry.argumentsError("arguments of the package: %v", err)
	}
	legacy := entry.legacy()
	structs, err := wantsStructs(arguments)
	if err != nil {
		return nil, entry.argumentsError("%v", err)
	}
	var positional starlark.Tuple
	var keywords []starlark.Tuple
	if entry.takesPlan {
		positional = append(positional, in.plan())
	}
	switch {
	case legacy && structs:
		value, err := structured(arguments, 0)
		if err != nil {
			return nil, entry.argumentsError("arguments of the package: %v", err)
		}
		positional = append(positional, value)
	case legacy:
		positional = append(positional, arguments)
	case structs:
		return nil, entry.argumentsError("%s \"struct\" works only with the form %s(plan, args): leave it out, or change the function", parserKey, entry.function.Name())
	default:
		for _, item := range arguments.Items() {
			if item[0] != starlark.String(parserKey) {
				keywords = append(keywords, item)
			}
		}
		if err := entry.checkKeywords(keywords); err != nil {
			return nil, err
		}
	}
	var output starlark.Value
	err = in.onThread(entry.function.Name(), func(thread *starlark.Thread) error {
		output, err = starlark.Call(thread, entry.function, positional, keywords)
		return err
	})
	return output, err
}

// arguments are the request's arguments as one dictionary of their own.
func (r Request) arguments() (*starlark.Dict, error) {
	var converted starlark.Value
	var err error
	if r.OrderedArgs != nil {
		converted, err = r.OrderedArgs.starlark()
	} else {
		converted, err = fromData(r.Args)
	}
	dict, _ := converted.(*starlark.Dict)
	return dict, err
}

// legacy tells whether all arguments are passed as one dictionary: run(plan, args). Star parameters count too, as upstream.
func (e *entry) legacy() bool {
	if !e.isDefault || e.function.NumParams() != 2 {
		return false
	}
	name, _ := e.function.Param(1)
	return name == legacyParameter
}

func wantsStructs(arguments *starlark.Dict) (bool, error) {
	value, found, err := arguments.Get(starlark.String(parserKey))
	if err != nil || !found {
		return false, err
	}
	switch text, _ := starlark.AsString(value); text {
	case "dict":
		return false, nil
	case "struct":
		return true, nil
	}
	return false, fmt.Errorf("argument %s must be \"dict\" or \"struct\", got %s", parserKey, describeValue(value))
}

// argumentsError is an error that the caller's arguments are to blame for; it stands at the function that takes them.
func (e *entry) argumentsError(format string, arguments ...any) error {
	made := errorAt(toPosition(e.function.Position()), format, arguments...)
	made.Arguments = true
	return made
}

// checkKeywords reports every unknown and every missing argument at once, with the place of the function.
func (e *entry) checkKeywords(keywords []starlark.Tuple) error {
	named, required := e.named()
	given := map[string]bool{}
	var problems []string
	for _, keyword := range keywords {
		name, _ := starlark.AsString(keyword[0])
		given[name] = true
		if !e.function.HasKwargs() && !slices.Contains(named, name) {
			problems = append(problems, fmt.Sprintf("unexpected keyword argument %q%s", name, didYouMean(name, named)))
		}
	}
	for _, name := range required {
		if !given[name] {
			problems = append(problems, fmt.Sprintf("missing argument %q, which has no default", name))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return e.argumentsError("function %s: %s: the package takes %s", e.function.Name(), strings.Join(problems, "; "), nameList(named))
}

// named lists the parameters that can be passed by name, and those of them that must be.
func (e *entry) named() (names, required []string) {
	for i := range e.plain() {
		name, _ := e.function.Param(i)
		if i == 0 && e.takesPlan {
			continue
		}
		names = append(names, name)
		if e.function.ParamDefault(i) == nil {
			required = append(required, name)
		}
	}
	return names, required
}

// plain is the number of parameters without *args and **kwargs, which come last.
func (e *entry) plain() int {
	count := e.function.NumParams()
	if e.function.HasVarargs() {
		count--
	}
	if e.function.HasKwargs() {
		count--
	}
	return count
}

// parameters describes the entry function, plan left out.
func (e *entry) parameters() []plan.Parameter {
	documented := parseDocstring(e.function.Doc())
	names, required := e.named()
	parameters := make([]plan.Parameter, len(names))
	for i, name := range names {
		described := documented[name]
		parameters[i] = plan.Parameter{Name: name, Type: described.kind, Doc: described.text, Required: slices.Contains(required, name)}
		if e.legacy() {
			// Without arguments the dictionary is empty.
			parameters[i].Required = false
		}
	}
	for i := range e.plain() {
		name, _ := e.function.Param(i)
		value := e.function.ParamDefault(i)
		at := slices.Index(names, name)
		if value == nil || at < 0 {
			continue
		}
		if data, err := toData(value); err == nil {
			parameters[at].Default = data
		}
	}
	return parameters
}

func nameList(names []string) string {
	if len(names) == 0 {
		return "no arguments"
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return strings.Join(quoted, ", ")
}
