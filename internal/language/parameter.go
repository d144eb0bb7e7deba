package language

import (
	"go.starlark.net/starlark"
)

// kind is a sort of argument. Checking is what a constructor does with its own parameters; converting looks inside and
// happens when an instruction takes the value, as upstream does it.
type kind[T any] struct {
	// name as the reference prints it.
	name string
	// check gives what is wrong with the value itself; empty when nothing is.
	check func(value starlark.Value) string
	// convert gives the Go form and reports problems, with their path, to the scope.
	convert func(s *scope, at string, value starlark.Value) T
}

// parameter is the part of a parameter that does not depend on its Go type.
type parameter struct {
	ParameterDescriptor
	index int
	check func(value starlark.Value) string
	// keepsNone is set where None says something else than leaving the argument out.
	keepsNone bool
	// secret arguments are never shown.
	secret bool
}

type anyParameter interface{ base() *parameter }

// param is one parameter with its Go type.
type param[T any] struct {
	parameter
	kind     kind[T]
	fallback T
}

func (p *param[T]) base() *parameter { return &p.parameter }

// required declares a parameter without a default.
func required[T any](name string, k kind[T], doc string) *param[T] {
	return &param[T]{
		parameter: parameter{ParameterDescriptor: ParameterDescriptor{Name: name, Type: k.name, Required: true, Doc: doc}, check: k.check},
		kind:      k,
	}
}

// optional declares a parameter that has fallback when it is left out or None; shown is how the reference prints that.
func optional[T any](name string, k kind[T], fallback T, shown, doc string) *param[T] {
	return &param[T]{
		parameter: parameter{ParameterDescriptor: ParameterDescriptor{Name: name, Type: k.name, Default: shown, Doc: doc}, check: k.check},
		kind:      k, fallback: fallback,
	}
}

// unset declares an optional parameter whose absence is its Go type's zero value.
func unset[T any](name string, k kind[T], doc string) *param[T] {
	var zero T
	return optional(name, k, zero, "", doc)
}

// noneMatters marks a parameter for which None is a value of its own.
func (p *param[T]) noneMatters() *param[T] {
	p.keepsNone = true
	return p
}

// hidden marks a parameter whose argument is a secret.
func (p *param[T]) hidden() *param[T] {
	p.secret = true
	return p
}

// own marks a parameter that upstream does not have.
func (p *param[T]) own() *param[T] {
	p.Extension = true
	return p
}

// formerly adds names that earlier versions of the language had for the parameter.
func (p *param[T]) formerly(names ...string) *param[T] {
	p.Aliases = append(p.Aliases, names...)
	return p
}

// of gives the argument in its Go form. Where it was left out, or was reported as wrong before, it is the default.
func (p *param[T]) of(a *arguments) T {
	value := a.values[p.index]
	if value == nil || a.wrong[p.index] {
		return p.fallback
	}
	return p.kind.convert(a.scope, a.path(p.Name), value)
}

// given tells whether the argument was passed.
func (p *param[T]) given(a *arguments) bool { return a.values[p.index] != nil }

// raw is the argument as the package passed it, nil when it was left out.
func (p *param[T]) raw(a *arguments) starlark.Value { return a.values[p.index] }

// replaced marks a parameter that only earlier versions of the language had, and says what to write instead.
func (p *param[T]) replaced(instead string) *param[T] {
	p.Former = instead
	return p
}

// arguments are the values of one call, or of one typed value that an instruction looks into.
type arguments struct {
	signature *signature
	values    []starlark.Value // by parameter; nil where left out
	wrong     map[int]bool     // reported already
	scope     *scope
	prefix    string
}

func (a *arguments) path(name string) string {
	if a.prefix == "" {
		return name
	}
	return a.prefix + "." + name
}
