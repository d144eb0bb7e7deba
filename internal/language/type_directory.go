package language

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// defaultSizeMB is the size of a persistent directory where the package does not say.
const defaultSizeMB = 1024

// directoryBuiltin is the type Directory with its parameters.
type directoryBuiltin struct {
	*typeBuiltin
	artifacts, seed *param[[]string]
	key             *param[string]
	size            *param[int64]
	owner           *param[*plan.User]
	mode            *param[uint32]
	former          *param[string]
}

var directoryType = newDirectoryType()

func newDirectoryType() *directoryBuiltin {
	t := &directoryBuiltin{
		artifacts: unset("artifact_names", listOf(identity), "Names of files artifacts that are expanded into the directory, in order."),
		key:       unset("persistent_key", anyText, "Key of a persistent directory: it outlives the service and goes with the enclave. The same key is the same directory."),
		size:      optional("size", integer(1, math.MaxInt64), defaultSizeMB, "1024", "Size of a persistent directory in megabytes, where the backend needs one."),
		seed:      unset("seed", listOf(identity), "Names of files artifacts that a persistent directory holds when it is new, that is until a service that mounts it has started.").own(),
		owner:     unset("user", user, "User whose the files are; the one that the service's process runs as when left out.").own(),
		mode:      unset("mode", permissions, `Permissions of the files, in octal digits ("0640"); those of the artifact when left out. Who may read may enter folders and run programs.`).own(),
		former:    unset("artifact_name", identity, "Name of a files artifact.").replaced("write artifact_names = [name]"),
	}
	t.typeBuiltin = newType("Directory", "What is mounted at a path: files artifacts, or a persistent directory.", t.artifacts, t.key, t.size, t.seed, t.owner, t.mode, t.former)
	return t
}

var permissionsPattern = regexp.MustCompile(`^0?[0-7]{3}$`)

// permissions are the permission bits of files as chmod takes them. A number would be read as a decimal one by mistake.
var permissions = kind[uint32]{
	name: "string",
	check: func(value starlark.Value) string {
		if reason := text.check(value); reason != "" {
			return reason
		}
		if digits, _ := starlark.AsString(value); !permissionsPattern.MatchString(digits) {
			return fmt.Sprintf("%q are no permissions: give three octal digits, for example \"0640\"", shorten(digits))
		}
		return ""
	},
	convert: func(s *scope, at string, value starlark.Value) uint32 {
		bits, err := strconv.ParseUint(text.convert(s, at, value), 8, 32)
		if err != nil {
			s.problem(at, "%v", err)
		}
		return uint32(bits)
	},
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
		made := plan.Mount{Artifacts: t.artifacts.of(a), PersistentKey: t.key.of(a), Seed: t.seed.of(a), Owner: t.owner.of(a), Mode: t.mode.of(a)}
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
		switch {
		case given != 1 && t.key.given(a) && t.artifacts.given(a):
			a.scope.problem(a.prefix, "exactly one of artifact_names and persistent_key must be given: what a new persistent directory holds is its seed")
		case given != 1:
			a.scope.problem(a.prefix, "exactly one of artifact_names and persistent_key must be given")
		case t.seed.given(a) && !t.key.given(a):
			a.scope.problem(a.path(t.seed.Name), "only a persistent directory has one: give persistent_key, or artifact_names in its place")
		}
		if made.PersistentKey != "" {
			made.SizeMB = t.size.of(a)
		}
		return made
	}),
)
