package language

import (
	"context"
	"errors"
	"path"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/compose"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// convertedMark stands after a Compose file's name in positions: the line is one of the Starlark text that the file was
// converted to, which Convert gives.
const convertedMark = " (converted)"

// variablesArgument is the argument of a Compose package that its conversion takes; the rest goes to the entry function.
const variablesArgument = "variables"

// Convert gives the Starlark text that a Compose package is interpreted as, and what it says about keys that are not
// carried over. Errors are of type *Error.
func Convert(ctx context.Context, pkg *locator.Package, variables map[string]string) (string, []plan.Warning, error) {
	given := make(map[string]any, len(variables))
	for name, value := range variables {
		given[name] = value
	}
	request := Request{Args: map[string]any{variablesArgument: given}}
	in := newInterpreter(ctx, pkg, request.withDefaults())
	var text []byte
	err := in.guarded(func() error {
		if pkg.ComposeFile == "" {
			return errorAt(plan.Position{}, "package %s is no Compose file: there is nothing to convert", pkg.Name)
		}
		file, err := pkg.Main(pkg.ComposeFile)
		if err != nil {
			return err
		}
		text, err = in.source(file)
		return err
	})
	if err != nil {
		return "", nil, in.interpretationError(err)
	}
	return string(text), in.warnings, nil
}

// mainFile is the file in which the entry function stands.
func (in *interpreter) mainFile() (locator.File, error) {
	if in.pkg.ComposeFile != "" && in.request.MainFile == defaultMainFile {
		return in.pkg.Main(in.pkg.ComposeFile)
	}
	return in.pkg.Main(in.request.MainFile)
}

// source gives the text of a file as packages see it: that of a Compose file is the Starlark that it means.
func (in *interpreter) source(file locator.File) ([]byte, error) {
	if !locator.IsComposeFile(file.Base()) {
		return file.Read()
	}
	variables, err := in.variables(file)
	if err != nil {
		return nil, err
	}
	name := in.pkg.Name
	if folder := path.Dir(file.Path()); !in.isMainCompose(file) && folder != "." {
		name = folder
	}
	result, err := compose.Convert(in.ctx, compose.Source{Files: composeFiles{file.Repository()}, File: file.Path(), Name: path.Base(name)}, compose.Options{Variables: variables})
	place := func(at compose.Place) plan.Position {
		return plan.Position{File: in.pkg.In(file, at.File).String(), Line: at.Line, Column: at.Column}
	}
	if failure, ok := errors.AsType[*compose.Error](err); ok {
		made := errorAt(place(failure.Place), "%s", failure.Message)
		made.cause = err
		return nil, made
	}
	if err != nil {
		return nil, err
	}
	for _, warning := range result.Warnings {
		in.warn(place(warning.Place), warning.Message)
	}
	return []byte(result.Text), nil
}

// isMainCompose tells whether a file is the Compose file that the root package consists of.
func (in *interpreter) isMainCompose(file locator.File) bool {
	if in.pkg.ComposeFile == "" {
		return false
	}
	main, err := in.mainFile()
	return err == nil && main == file
}

// variables are what fills in the variables of a Compose file. The arguments are for the root package's own.
func (in *interpreter) variables(file locator.File) (map[string]string, error) {
	fail := func(format string, arguments ...any) error {
		made := errorAt(plan.Position{File: file.String(), Line: 1, Column: 1}, format, arguments...)
		made.Arguments = true
		return made
	}
	arguments, err := in.request.arguments()
	if err != nil {
		return nil, fail("arguments of the package: %v", err)
	}
	given, found, err := arguments.Get(starlark.String(variablesArgument))
	if err != nil || !found || given == starlark.None || !in.isMainCompose(file) {
		return nil, err
	}
	values, ok := given.(*starlark.Dict)
	if !ok {
		return nil, fail("argument variables %s", mustBe("dict[string, string]", given))
	}
	variables := make(map[string]string, values.Len())
	for _, item := range values.Items() {
		name, _ := starlark.AsString(item[0])
		text, ok := starlark.AsString(item[1])
		if !ok {
			return nil, fail("argument variables: the value of %q must be a string: write numbers and booleans in quotes", name)
		}
		variables[name] = text
	}
	return variables, nil
}

// entryArguments are the arguments that the entry function gets.
func (in *interpreter) entryArguments() (*starlark.Dict, error) {
	arguments, err := in.request.arguments()
	if err != nil {
		return nil, err
	}
	if main, mainErr := in.mainFile(); mainErr == nil && in.isMainCompose(main) {
		_, _, err = arguments.Delete(starlark.String(variablesArgument))
	}
	return arguments, err
}

// composeFiles lets a conversion read the files of one repository.
type composeFiles struct{ repository locator.Repository }

// Read gives the content of a file.
func (f composeFiles) Read(file string) ([]byte, error) { return f.repository.Read(file) }

// Stat tells what stands at a path.
func (f composeFiles) Stat(file string) (compose.Kind, error) {
	info, err := f.repository.Stat(file)
	switch {
	case err != nil, info == nil:
		return compose.Missing, err
	case info.IsDir():
		return compose.Folder, nil
	}
	return compose.File, nil
}
