package language

import (
	"errors"
	"maps"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// timeModule is Starlark's time without the clock: a plan must be the same tomorrow.
func timeModule() starlark.Value {
	members := maps.Clone(time.Module.Members)
	members["now"] = starlark.NewBuiltin("time.now", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return nil, errors.New("time.now() is not deterministic and does not exist in packages: pass the time as an argument, or take it while running with plan.run_python or plan.run_sh")
	})
	return &starlarkstruct.Module{Name: "time", Members: members}
}
