package language

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const (
	maxText     = 128 << 20 // bytes of a text that one operation makes
	maxElements = 1 << 25   // of a list that one operation makes
	maxBits     = 1 << 20   // of a product
	maxReceiver = 32 << 20  // bytes of a text that is taken apart
)

var errTooLarge = errors.New("the result would be too large")

// addGuards puts guards in front of what makes a lot out of little: the operators that the syntax tree's rewriting
// replaced, and functions of Starlark's universe.
func (in *interpreter) addGuards(globals starlark.StringDict) {
	guard := func(name string, run func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)) {
		globals[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (value starlark.Value, err error) {
			defer recoverInto(&err, name)
			return run(thread, args, kwargs)
		})
	}
	guard(guardTimes, func(_ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return times(args[0], args[1])
	})
	guard(guardPercent, func(_ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return percent(args[0], args[1])
	})
	guard(guardMethod, func(_ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return methodGuard(args[0]), nil
	})
	universe := func(name string, check func(args starlark.Tuple) error) {
		original := starlark.Universe[name].(*starlark.Builtin) //nolint:forcetypeassert // it is one
		guard(name, func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			if err := check(args); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			value, err := original.CallInternal(thread, args, kwargs)
			if name == "getattr" && err == nil {
				value = methodGuard(value)
			}
			return value, err
		})
	}
	for _, name := range []string{"str", "repr", "fail"} {
		universe(name, func(args starlark.Tuple) error { return (&walker{}).measure(args, 0) })
	}
	universe("getattr", func(starlark.Tuple) error { return nil })
	universe("zip", func(args starlark.Tuple) error {
		total := 0
		for _, arg := range args {
			total += max(starlark.Len(arg), 0)
		}
		if total > maxElements {
			return errTooLarge
		}
		return nil
	})
	original := starlark.Universe["range"].(*starlark.Builtin) //nolint:forcetypeassert // it is one
	guard("range", func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		value, err := original.CallInternal(thread, args, kwargs)
		if err == nil && starlark.Len(value) > maxElements {
			return nil, fmt.Errorf("range: %w: at most %d numbers are possible", errTooLarge, maxElements)
		}
		return value, err
	})
}

// times is x * y for operands whose product fits.
func times(x, y starlark.Value) (starlark.Value, error) {
	a, first := x.(starlark.Int)
	b, second := y.(starlark.Int)
	var err error
	switch {
	case first && second:
		err = checkProduct(a, b)
	case first:
		err = checkRepeat(y, x)
	default:
		err = checkRepeat(x, y)
	}
	if err != nil {
		return nil, err
	}
	return starlark.Binary(syntax.STAR, x, y)
}

func checkProduct(a, b starlark.Int) error {
	_, small := a.Int64()
	if _, other := b.Int64(); small && other {
		return nil
	}
	if a.BigInt().BitLen()+b.BigInt().BitLen() > maxBits {
		return fmt.Errorf("%w: a number may have %d bits", errTooLarge, maxBits)
	}
	return nil
}

// checkRepeat tells whether a sequence can be repeated so many times.
func checkRepeat(sequence, count starlark.Value) error {
	number, ok := count.(starlark.Int)
	if !ok {
		return nil
	}
	limit := int64(maxElements)
	switch sequence.(type) {
	case starlark.String, starlark.Bytes:
		limit = maxText
	}
	length := int64(starlark.Len(sequence))
	if length <= 0 {
		return nil
	}
	if n, ok := number.Int64(); number.Sign() > 0 && (!ok || n > limit/length) {
		return fmt.Errorf("%w: repeating %d elements %s times", errTooLarge, length, shorten(number.String()))
	}
	return nil
}

// percent is x % y, which formats when x is a string.
func percent(x, y starlark.Value) (starlark.Value, error) {
	if format, ok := x.(starlark.String); ok {
		walk := &walker{}
		if err := walk.measure(y, 0); err != nil {
			return nil, err
		}
		// Only a dictionary's value can be used more than once.
		if _, ok := y.(starlark.Mapping); ok && walk.nodes*(1+strings.Count(string(format), "%")) > maxNodes {
			return nil, errTooLarge
		}
	}
	return starlark.Binary(syntax.PERCENT, x, y)
}

// methodGuard gives a method that looks at its operands first; anything else comes back as it is.
func methodGuard(value starlark.Value) starlark.Value {
	method, ok := value.(*starlark.Builtin)
	if !ok || !guardedMethods[method.Name()] {
		return value
	}
	var receiver string
	switch of := method.Receiver().(type) {
	case starlark.String:
		receiver = string(of)
	case starlark.Bytes:
		receiver = string(of)
	default:
		return value
	}
	return starlark.NewBuiltin(method.Name(), func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := checkMethod(method.Name(), receiver, args, kwargs); err != nil {
			return nil, fmt.Errorf("%s: %w", method.Name(), err)
		}
		return method.CallInternal(thread, args, kwargs)
	}).BindReceiver(method.Receiver())
}

func checkMethod(name, receiver string, args starlark.Tuple, kwargs []starlark.Tuple) error {
	switch name {
	case "format":
		walk := &walker{}
		if err := walk.measure(args, 0); err != nil {
			return err
		}
		for _, pair := range kwargs {
			if err := walk.measure(pair[1], 0); err != nil {
				return err
			}
		}
		// A value can be used in every place that the format has.
		if walk.nodes*(1+strings.Count(receiver, "{")) > maxNodes {
			return errTooLarge
		}
	case "replace":
		if len(args) < 2 {
			return nil
		}
		before, _ := starlark.AsString(args[0])
		after, _ := starlark.AsString(args[1])
		if len(after) > len(before) && strings.Count(receiver, before)*(len(after)-len(before)) > maxText-len(receiver) {
			return errTooLarge
		}
	case "join":
		return checkJoin(receiver, args)
	default:
		if len(receiver) > maxReceiver {
			return fmt.Errorf("the text is larger than %d MiB", maxReceiver>>20)
		}
	}
	return nil
}

func checkJoin(separator string, args starlark.Tuple) error {
	if len(args) != 1 {
		return nil
	}
	iterable, ok := args[0].(starlark.Iterable)
	if !ok {
		return nil
	}
	iterator := iterable.Iterate()
	defer iterator.Done()
	total := 0
	var element starlark.Value
	for iterator.Next(&element) {
		text, _ := starlark.AsString(element)
		if total += len(text) + len(separator); total > maxText {
			return errTooLarge
		}
	}
	return nil
}
