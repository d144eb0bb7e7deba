package language

import (
	"math"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// defaultSizeMB is the size of a persistent directory where the package does not say.
const defaultSizeMB = 1024

// directoryBuiltin is the type Directory with its parameters.
type directoryBuiltin struct {
	*typeBuiltin
	artifacts *param[[]string]
	key       *param[string]
	size      *param[int64]
	former    *param[string]
}

var directoryType = newDirectoryType()

func newDirectoryType() *directoryBuiltin {
	t := &directoryBuiltin{
		artifacts: unset("artifact_names", listOf(identity), "Names of files artifacts that are expanded into the directory, in order."),
		key:       unset("persistent_key", anyText, "Key of a persistent directory: it outlives the service and goes with the enclave. The same key is the same directory."),
		size:      optional("size", integer(1, math.MaxInt64), defaultSizeMB, "1024", "Size of a persistent directory in megabytes, where the backend needs one."),
		former:    unset("artifact_name", identity, "Name of a files artifact.").replaced("write artifact_names = [name]"),
	}
	t.typeBuiltin = newType("Directory", "What is mounted at a path: files artifacts, or a persistent directory.", t.artifacts, t.key, t.size, t.former)
	return t
}

// mount is the value of ServiceConfig.files: an artifact's name or a Directory.
var mount = union("string | Directory",
	kind[plan.Mount]{
		name: "string", check: anyText.check,
		convert: func(s *scope, at string, value starlark.Value) plan.Mount {
			return plan.Mount{Artifacts: []string{identity.convert(s, at, value)}}
		},
	},
	typedKind(directoryType.typeBuiltin, func(a *arguments, _ *typed) plan.Mount {
		t := directoryType
		made := plan.Mount{Artifacts: t.artifacts.of(a), PersistentKey: t.key.of(a)}
		// An empty list of artifacts is one: it mounts an empty directory.
		given := 0
		for _, p := range []bool{t.artifacts.given(a), t.key.given(a), t.former.given(a)} {
			if p {
				given++
			}
		}
		if t.former.given(a) {
			made.Artifacts = []string{t.former.of(a)}
		}
		if given != 1 {
			a.scope.problem(a.prefix, "exactly one of artifact_names and persistent_key must be given")
		}
		if made.PersistentKey != "" {
			made.SizeMB = t.size.of(a)
		}
		return made
	}),
)
