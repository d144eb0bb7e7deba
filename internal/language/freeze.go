package language

import (
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Starlark freezes a module's globals recursively, and Go ends a process whose stack grows too far. A list nested
// millions of times, or a nested function that captures itself, would do that to the host, so the walk is rehearsed
// within bounds before.
const (
	maxFreezeDepth = 50_000
	maxFreezeSteps = 50_000_000
)

var errFreeze = errors.New("a global of the file is nested too deeply, or holds a function that refers to itself")

// freezeGlobals freezes everything that a module's globals lead to.
func (in *interpreter) freezeGlobals(globals starlark.StringDict) error {
	f := &freezer{seen: in.frozen}
	for _, name := range globals.Keys() {
		if !f.fits(globals[name], 0) {
			return errFreeze
		}
	}
	globals.Freeze()
	return nil
}

// freezer walks like Starlark does: values that remember that they are frozen once, others every time.
type freezer struct {
	seen  map[starlark.Value]bool
	steps int
}

func (f *freezer) fits(value starlark.Value, depth int) bool {
	if f.steps++; depth > maxFreezeDepth || f.steps > maxFreezeSteps {
		return false
	}
	switch value := value.(type) {
	case nil:
		return true
	case starlark.Tuple:
		for _, element := range value {
			if !f.fits(element, depth+1) {
				return false
			}
		}
		return true
	case *starlark.Function:
		return f.function(value, depth)
	case *starlark.List, *starlark.Dict, *starlarkstruct.Struct, *typed:
		if f.seen[value] {
			return true
		}
		f.seen[value] = true
		return f.parts(value, depth)
	}
	return true
}

func (f *freezer) function(value *starlark.Function, depth int) bool {
	for i := range value.NumParams() {
		if !f.fits(value.ParamDefault(i), depth+1) {
			return false
		}
	}
	for i := range value.NumFreeVars() {
		if _, free := value.FreeVar(i); !f.fits(free, depth+1) {
			return false
		}
	}
	return true
}

func (f *freezer) parts(value starlark.Value, depth int) bool {
	switch value := value.(type) {
	case *starlark.List:
		for i := range value.Len() {
			if !f.fits(value.Index(i), depth+1) {
				return false
			}
		}
	case *starlark.Dict:
		for _, item := range value.Items() {
			if !f.fits(item[0], depth+1) || !f.fits(item[1], depth+1) {
				return false
			}
		}
	case *typed:
		for _, attribute := range value.values {
			if !f.fits(attribute, depth+1) {
				return false
			}
		}
	case *starlarkstruct.Struct:
		for _, name := range value.AttrNames() {
			if attribute, err := value.Attr(name); err == nil && !f.fits(attribute, depth+1) {
				return false
			}
		}
	}
	return true
}

// imported is what import_module gives. Its members are frozen when it is made, so freezing it again is no work.
type imported struct{ *starlarkstruct.Module }

// Freeze does nothing.
func (imported) Freeze() {}

// String names the file.
func (m imported) String() string { return "<module \"" + m.Name + "\">" }
