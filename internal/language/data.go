package language

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Values can share parts: a list of lists of lists can be small in memory and endless when it is written out. Everything
// that writes values out walks them with these bounds.
const (
	maxDepth = 500
	maxNodes = 4_000_000
	maxPath  = 1_000 // characters of a path in an error
)

var (
	errTooDeep = fmt.Errorf("the value is nested more than %d levels deep", maxDepth)
	errTooMuch = fmt.Errorf("the value has more than %d parts when it is written out", maxNodes)
)

// walker counts what a walk over a value has seen.
type walker struct {
	nodes int
	// shown is set where the result is for people to see: secrets are left out of it.
	shown bool
	// meant are the values of types that structs and dictionaries stood for, so that their secrets are known as well.
	meant map[starlark.Value]*typed
}

func (w *walker) enter(depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if w.nodes++; w.nodes > maxNodes {
		return errTooMuch
	}
	return nil
}

// dataError tells what in a value has no JSON form, or none that fits. Its path is put together on the way out, because
// nearly all values are good.
type dataError struct {
	path   string
	reason string
}

func (e *dataError) Error() string {
	if e.path == "" {
		return e.reason
	}
	return e.path + ": " + e.reason
}

func noData(format string, arguments ...any) error {
	return &dataError{reason: fmt.Sprintf(format, arguments...)}
}

// inside puts a step in front of an error's path.
func inside(step string, err error) error {
	var data *dataError
	if errors.As(err, &data) && len(data.path) < maxPath {
		data.path = step + data.path
	}
	return err
}

func indexStep(index int) string { return "[" + strconv.Itoa(index) + "]" }

func keyStep(key string) string { return "[" + strconv.Quote(shorten(key)) + "]" }

// toData converts a value to its JSON-like form: nil, bool, int64, *big.Int, float64, string, []any, map[string]any.
// The error names the path of what has no such form.
func toData(value starlark.Value) (any, error) {
	return (&walker{}).data(value, 0)
}

func (w *walker) data(value starlark.Value, depth int) (any, error) {
	if err := w.enter(depth); err != nil {
		return nil, err
	}
	switch value.(type) {
	case *starlark.Dict, *starlarkstruct.Struct:
		if made := w.meant[value]; made != nil {
			value = made
		}
	}
	switch value := value.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(value), nil
	case starlark.Int:
		if small, ok := value.Int64(); ok {
			return small, nil
		}
		return value.BigInt(), nil
	case starlark.Float:
		if number := float64(value); math.IsInf(number, 0) || math.IsNaN(number) {
			return nil, noData("the number %s has no JSON form", value)
		}
		return float64(value), nil
	case starlark.String:
		return string(value), nil
	case starlark.Bytes:
		return nil, noData("a value of type bytes has no JSON form")
	case starlark.IterableMapping:
		return w.mapping(value, depth)
	case starlark.Iterable:
		return w.sequence(value, depth)
	case starlark.HasAttrs:
		return w.attributes(value, depth)
	}
	return nil, noData("a value of type %s has no JSON form", value.Type())
}

func (w *walker) sequence(value starlark.Iterable, depth int) (any, error) {
	elements := []any{}
	iterator := value.Iterate()
	defer iterator.Done()
	var element starlark.Value
	for iterator.Next(&element) {
		converted, err := w.data(element, depth+1)
		if err != nil {
			return nil, inside(indexStep(len(elements)), err)
		}
		elements = append(elements, converted)
	}
	return elements, nil
}

func (w *walker) mapping(value starlark.IterableMapping, depth int) (any, error) {
	items := value.Items()
	converted := make(map[string]any, len(items))
	for _, item := range items {
		key, ok := starlark.AsString(item[0])
		if !ok {
			return nil, noData("key %s is not a string", describeValue(item[0]))
		}
		element, err := w.data(item[1], depth+1)
		if err != nil {
			return nil, inside(keyStep(key), err)
		}
		converted[key] = element
	}
	return converted, nil
}

func (w *walker) attributes(value starlark.HasAttrs, depth int) (any, error) {
	if _, ok := value.(starlark.Callable); ok {
		return nil, noData("a function has no JSON form")
	}
	names := value.AttrNames()
	converted := make(map[string]any, len(names))
	made, isTyped := value.(*typed)
	for _, name := range names {
		if w.shown && isTyped && made.of.parameters[made.of.byName[name]].secret {
			converted[name] = "(hidden)"
			continue
		}
		attribute, err := value.Attr(name)
		if err != nil || attribute == nil {
			continue
		}
		element, err := w.data(attribute, depth+1)
		if err != nil {
			return nil, inside("."+name, err)
		}
		converted[name] = element
	}
	return converted, nil
}

// displayData is toData for showing: what has no JSON form is shown as Starlark prints it.
func displayData(value starlark.Value, meant map[starlark.Value]*typed) any {
	converted, err := (&walker{shown: true, meant: meant}).data(value, 0)
	switch {
	case err == nil:
		return converted
	case errors.Is(err, errTooDeep), errors.Is(err, errTooMuch), (&walker{}).measure(value, 0) != nil:
		return "(" + err.Error() + ")"
	}
	return value.String()
}

// copyValue copies lists and dictionaries all the way down; other values are immutable and shared.
func (w *walker) copyValue(value starlark.Value, depth int) (starlark.Value, error) {
	if err := w.enter(depth); err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case *starlark.List:
		elements := make([]starlark.Value, value.Len())
		for i := range elements {
			var err error
			if elements[i], err = w.copyValue(value.Index(i), depth+1); err != nil {
				return nil, err
			}
		}
		return starlark.NewList(elements), nil
	case *starlark.Dict:
		copied := starlark.NewDict(value.Len())
		for _, item := range value.Items() {
			element, err := w.copyValue(item[1], depth+1)
			if err != nil {
				return nil, err
			}
			if err := copied.SetKey(item[0], element); err != nil {
				return nil, err
			}
		}
		return copied, nil
	}
	return value, nil
}

// measure tells whether a value can be written out within bounds.
func (w *walker) measure(value starlark.Value, depth int) error {
	if err := w.enter(depth); err != nil {
		return err
	}
	switch value := value.(type) {
	case starlark.String:
		// Sixteen bytes of text count like one more part, so that repeated long strings are bounded too.
		w.nodes += len(value) / 16
	case starlark.Bytes:
		w.nodes += len(value) / 4
	case starlark.IterableMapping:
		for _, item := range value.Items() {
			if err := w.measure(item[0], depth+1); err != nil {
				return err
			}
			if err := w.measure(item[1], depth+1); err != nil {
				return err
			}
		}
	case *starlark.Function, *starlark.Builtin, *starlarkstruct.Module, imported:
	case starlark.Iterable:
		iterator := value.Iterate()
		defer iterator.Done()
		var element starlark.Value
		for iterator.Next(&element) {
			if err := w.measure(element, depth+1); err != nil {
				return err
			}
		}
	case starlark.HasAttrs:
		return w.measureAttributes(value, depth)
	}
	return nil
}

func (w *walker) measureAttributes(value starlark.HasAttrs, depth int) error {
	for _, name := range value.AttrNames() {
		attribute, err := value.Attr(name)
		if err != nil || attribute == nil {
			continue
		}
		if err := w.measure(attribute, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// fromData converts a JSON-like value to Starlark. Keys of objects come in sorted order, so that equal arguments make
// equal dictionaries.
func fromData(value any) (starlark.Value, error) {
	return (&walker{}).starlark(value, 0)
}

func (w *walker) starlark(value any, depth int) (starlark.Value, error) {
	if err := w.enter(depth); err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(value), nil
	case int:
		return starlark.MakeInt(value), nil
	case int64:
		return starlark.MakeInt64(value), nil
	case *big.Int:
		return starlark.MakeBigInt(value), nil
	case float64:
		if math.IsInf(value, 0) || math.IsNaN(value) {
			return nil, noData("the number %v has no JSON form, and cannot be an argument of a package", value)
		}
		return starlark.Float(value), nil
	case string:
		return starlark.String(value), nil
	case []any:
		elements := make([]starlark.Value, len(value))
		for i, element := range value {
			var err error
			if elements[i], err = w.starlark(element, depth+1); err != nil {
				return nil, inside(indexStep(i), err)
			}
		}
		return starlark.NewList(elements), nil
	case orderedObject:
		return w.starlarkObject(value, depth)
	case map[string]any:
		dict := starlark.NewDict(len(value))
		for _, key := range slices.Sorted(maps.Keys(value)) {
			element, err := w.starlark(value[key], depth+1)
			if err != nil {
				return nil, inside(keyStep(key), err)
			}
			if err := dict.SetKey(starlark.String(key), element); err != nil {
				return nil, err
			}
		}
		return dict, nil
	}
	return nil, noData("a value of this sort cannot be an argument of a package")
}

func (w *walker) starlarkObject(object orderedObject, depth int) (starlark.Value, error) {
	dict := starlark.NewDict(len(object))
	for _, member := range object {
		element, err := w.starlark(member.value, depth+1)
		if err != nil {
			return nil, inside(keyStep(member.key), err)
		}
		if err := dict.SetKey(starlark.String(member.key), element); err != nil {
			return nil, err
		}
	}
	return dict, nil
}

// structured turns dictionaries into structs, as the argument _kurtosis_parser = "struct" asks. Dictionaries inside lists
// are left alone, as upstream.
func structured(value starlark.Value, depth int) (starlark.Value, error) {
	dict, ok := value.(*starlark.Dict)
	if !ok {
		return value, nil
	}
	if depth > maxDepth {
		return nil, errTooDeep
	}
	fields := starlark.StringDict{}
	for _, item := range dict.Items() {
		key, _ := starlark.AsString(item[0])
		field, err := structured(item[1], depth+1)
		if err != nil {
			return nil, err
		}
		fields[key] = field
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields), nil
}
