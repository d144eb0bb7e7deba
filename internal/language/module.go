package language

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// dialect is what a file of a package may hold: no set, no while, no recursion, no control flow at the top level, no
// reassigned globals. Interpretation of such a file ends by itself.
func dialect() *syntax.FileOptions { return &syntax.FileOptions{} }

// module is one Starlark file of an interpretation.
type module struct {
	file       locator.File
	importedAt plan.Position // where the import that is loading it stands
	loaded     bool
	globals    starlark.StringDict
	value      starlark.Value
	failure    error
}

// load runs a file once. Its globals are frozen afterwards, which makes them safe to share.
func (in *interpreter) load(file locator.File, importedAt plan.Position) (*module, error) {
	found := in.modules[file]
	if found == nil {
		found = &module{file: file}
		in.modules[file] = found
	}
	if found.loaded {
		return found, found.failure
	}
	for i, open := range in.loading {
		if open == found {
			return nil, in.cycle(i, importedAt)
		}
	}
	found.importedAt = importedAt
	in.loading = append(in.loading, found)
	defer func() { in.loading = in.loading[:len(in.loading)-1] }()

	globals, err := in.execute(file)
	found.loaded = true
	if err != nil {
		made := in.interpretationError(err)
		if len(made.LoadChain) == 0 {
			made.LoadChain = in.loadChain()
		}
		found.failure = made
		return nil, made
	}
	found.globals = globals
	found.value = imported{&starlarkstruct.Module{Name: file.String(), Members: globals}}
	return found, nil
}

func (in *interpreter) execute(file locator.File) (starlark.StringDict, error) {
	source, err := in.source(file)
	if err != nil {
		return nil, err
	}
	name := file.String()
	if locator.IsComposeFile(name) {
		name += convertedMark
	}
	in.files[name] = file
	if err := checkSource(name, source); err != nil {
		return nil, err
	}
	parsed, err := dialect().Parse(name, source, 0)
	if err != nil {
		return nil, err
	}
	guardSource(parsed)
	program, err := starlark.FileProgram(parsed, in.predeclared.Has)
	if err != nil {
		return nil, err
	}
	var globals starlark.StringDict
	err = in.onThread(name, func(thread *starlark.Thread) error {
		globals, err = program.Init(thread, in.predeclared)
		return err
	})
	if err != nil {
		return nil, err
	}
	return globals, in.freezeGlobals(globals)
}

// loadChain says how the innermost file came to be loaded.
func (in *interpreter) loadChain() []string {
	var chain []string
	for _, loading := range in.loading {
		if loading.importedAt.File != "" {
			chain = append(chain, fmt.Sprintf("%s: import of %s", loading.importedAt, loading.file))
		}
	}
	return chain
}

// cycle names every file of an import cycle.
func (in *interpreter) cycle(start int, importedAt plan.Position) error {
	var links []string
	first := in.loading[start].file.String()
	for _, loading := range in.loading[start+1:] {
		links = append(links, fmt.Sprintf("%s imports %s", loading.importedAt, loading.file))
	}
	links = append(links, fmt.Sprintf("%s imports %s", importedAt, first))
	return fmt.Errorf("there's a cycle in the import_module calls: %s: move what the files share into a file of its own", strings.Join(links, ", "))
}

// resolve finds what a locator in a call leads to.
func (s *scope) resolve(at, text string, target locator.Target) (locator.File, bool) {
	file, err := s.in.pkg.Resolve(s.in.ctx, s.site.file, text, target)
	if err != nil {
		s.problem(at, "%v", err)
		return locator.File{}, false
	}
	return file, true
}
