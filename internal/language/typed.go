package language

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// typeBuiltin is the constructor of one of the language's types.
type typeBuiltin struct {
	*signature
	// method is the value of the field "method" by which structs of earlier versions told HTTP recipes apart.
	method string
}

func newType(name, doc string, parameters ...anyParameter) *typeBuiltin {
	return &typeBuiltin{signature: newSignature(name, kindType, doc, "", withDescription(parameters))}
}

// construct is what a call of the type does.
func (t *typeBuiltin) construct(in *interpreter, thread *starlark.Thread, positional starlark.Tuple, keywords []starlark.Tuple) (starlark.Value, error) {
	scope := in.scope(thread)
	bound := t.bind(scope, positional, keywords)
	if err := scope.err(t.signature); err != nil {
		return nil, err
	}
	return t.keep(bound)
}

// keep makes a value of arguments that are good.
func (t *typeBuiltin) keep(bound *arguments) (*typed, error) {
	made := &typed{of: t, values: make([]starlark.Value, len(bound.values)), site: bound.scope.site}
	copier := &walker{}
	for i, value := range bound.values {
		if value == nil || t.parameters[i].Name == descriptionName {
			continue
		}
		// What the package does to a list after the call has no effect on the value.
		copied, err := copier.copyValue(value, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", t.name, t.parameters[i].Name, err)
		}
		made.values[i] = copied
	}
	return made, nil
}

// typed is a value of one of the language's types: immutable, with the arguments that were given as attributes.
type typed struct {
	of     *typeBuiltin
	values []starlark.Value // by parameter; nil where left out
	site   site             // where it was made
}

var _ starlark.HasAttrs = (*typed)(nil)

// String gives the constructor's call with the given arguments, in declared order.
func (t *typed) String() string {
	var out strings.Builder
	out.WriteString(t.of.name + "(")
	separator := ""
	for i, value := range t.values {
		if value != nil {
			out.WriteString(separator + t.of.parameters[i].Name + "=" + value.String())
			separator = ", "
		}
	}
	out.WriteString(")")
	return out.String()
}

// Type is the type's name.
func (t *typed) Type() string { return t.of.name }

// Freeze freezes the values of the attributes.
func (t *typed) Freeze() {
	for _, value := range t.values {
		if value != nil {
			value.Freeze()
		}
	}
}

// Truth is always true.
func (t *typed) Truth() starlark.Bool { return true }

// Hash fails: values of these types are no keys.
func (t *typed) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", t.of.name) }

// Attr gives an attribute; one that was left out does not exist.
func (t *typed) Attr(name string) (starlark.Value, error) {
	if index, ok := t.of.byName[name]; ok && t.of.parameters[index].Name == name {
		return t.values[index], nil
	}
	return nil, nil
}

// AttrNames lists the attributes that are set.
func (t *typed) AttrNames() []string {
	var names []string
	for i, value := range t.values {
		if value != nil {
			names = append(names, t.of.parameters[i].Name)
		}
	}
	slices.Sort(names)
	return names
}

// into opens a value for conversion. At the top of a call the path starts with the type's name.
func (t *typed) open(s *scope, at string) *arguments {
	if !strings.ContainsAny(at, ".[") {
		at = t.of.name
	}
	return &arguments{signature: t.of.signature, values: t.values, scope: s, prefix: at}
}

// typedKind is a value of one type.
func typedKind[T any](of *typeBuiltin, convert func(a *arguments, value *typed) T) kind[T] {
	return kind[T]{
		name: of.name,
		check: func(value starlark.Value) string {
			made, ok := value.(*typed)
			if ok && made.of == of || !ok && of.resembles(value) {
				return ""
			}
			return mustBe(of.name, value) + of.lacking(value)
		},
		convert: func(s *scope, at string, value starlark.Value) T {
			made, ok := value.(*typed)
			if !ok {
				made = of.fromFields(s, at, value)
			}
			if made == nil {
				var zero T
				return zero
			}
			return convert(made.open(s, at), made)
		},
	}
}

// union is a value of one of several kinds.
func union[T any](name string, kinds ...kind[T]) kind[T] {
	pick := func(value starlark.Value) (kind[T], bool) {
		for _, k := range kinds {
			if k.check(value) == "" {
				return k, true
			}
		}
		return kind[T]{}, false
	}
	return kind[T]{
		name: name,
		check: func(value starlark.Value) string {
			if _, ok := pick(value); !ok {
				return mustBe(name, value)
			}
			return ""
		},
		convert: func(s *scope, at string, value starlark.Value) T {
			k, _ := pick(value)
			return k.convert(s, at, value)
		},
	}
}
