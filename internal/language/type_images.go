package language

import (
	"fmt"
	"path"
	"strings"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// imageSpecBuiltin is the type ImageSpec with its parameters.
type imageSpecBuiltin struct {
	*typeBuiltin
	image, registry, username, password *param[string]
}

var imageSpecType = newImageSpecType()

func newImageSpecType() *imageSpecBuiltin {
	t := &imageSpecBuiltin{
		image:    required("image", text, "Reference of the image."),
		registry: unset("registry", text, "Address of the registry; Docker Hub when left out."),
		username: unset("username", text, "User at the registry."),
		password: unset("password", text, "Password at the registry.").hidden(),
	}
	t.typeBuiltin = newType("ImageSpec", "An image from a registry that wants credentials.", t.image, t.registry, t.username, t.password)
	return t
}

// imageBuildSpecBuiltin is the type ImageBuildSpec with its parameters.
type imageBuildSpecBuiltin struct {
	*typeBuiltin
	image, context, file, stage *param[string]
	arguments                   *param[map[string]string]
	keep                        *param[bool]
}

var imageBuildSpecType = newImageBuildSpecType()

func newImageBuildSpecType() *imageBuildSpecBuiltin {
	t := &imageBuildSpecBuiltin{
		image:     required("image_name", text, "Name that the built image gets."),
		context:   required("build_context_dir", text, "Locator of the folder with the build file."),
		file:      optional("build_file", text, "Dockerfile", `"Dockerfile"`, "Build file, relative to the folder. The folder that holds it becomes the build context."),
		stage:     unset("target_stage", text, "Stage of a multi-stage build to stop at."),
		arguments: optional("build_args", textDict, nil, "{}", "Build arguments. They stay in the history of the image, so they are no place for secrets."),
		keep:      optional("keep_context", boolean, false, "False", "Whether build_context_dir is the build context also where build_file lies in a folder of it.").own(),
	}
	t.typeBuiltin = newType("ImageBuildSpec", "An image that is built from files of a package.", t.image, t.context, t.file, t.stage, t.arguments, t.keep)
	return t
}

// nixBuildSpecBuiltin is the type NixBuildSpec with its parameters.
type nixBuildSpecBuiltin struct {
	*typeBuiltin
	flake, context, image, output *param[string]
}

var nixBuildSpecType = newNixBuildSpecType()

func newNixBuildSpecType() *nixBuildSpecBuiltin {
	t := &nixBuildSpecBuiltin{
		flake:   required("flake_location_dir", text, "Folder of the flake, relative to the build context."),
		context: required("build_context_dir", text, "Locator of the folder that the flake is built in."),
		image:   required("image_name", text, "Name of the image that the flake gives."),
		output:  unset("flake_output", text, "Output of the flake to build."),
	}
	t.typeBuiltin = newType("NixBuildSpec", "An image that a Nix flake gives. Flakes are not built: the image must exist where the services run.",
		t.flake, t.context, t.image, t.output)
	return t
}

// image is what a service runs: a reference, or one of the image types.
var image = union("string | ImageSpec | ImageBuildSpec | NixBuildSpec",
	kind[plan.Image]{
		name: "string", check: anyText.check,
		convert: func(s *scope, at string, value starlark.Value) plan.Image {
			return plan.Image{Name: anyText.convert(s, at, value)}
		},
	},
	typedKind(imageSpecType.typeBuiltin, func(a *arguments, _ *typed) plan.Image {
		t := imageSpecType
		made := plan.Image{Name: t.image.of(a)}
		if t.username.given(a) != t.password.given(a) {
			a.scope.problem(a.path("username"), "goes together with password: give both or neither")
		}
		if t.username.given(a) || t.registry.given(a) {
			made.Registry = &plan.RegistryCredentials{Registry: t.registry.of(a), Username: t.username.of(a), Password: t.password.of(a)}
		}
		return made
	}),
	typedKind(imageBuildSpecType.typeBuiltin, buildImage),
	typedKind(nixBuildSpecType.typeBuiltin, func(a *arguments, made *typed) plan.Image {
		t := nixBuildSpecType
		name := t.image.of(a)
		a.scope.buildFolder(a.path("build_context_dir"), t.context.of(a), made)
		a.scope.in.warn(a.scope.site.position, fmt.Sprintf("NixBuildSpec: flakes are not built: the image %q must exist where the services run", name))
		return plan.Image{Name: name}
	}),
)

func buildImage(a *arguments, made *typed) plan.Image {
	t := imageBuildSpecType
	name, file := t.image.of(a), t.file.of(a)
	build := &plan.Build{BuildFile: path.Base(file), TargetStage: t.stage.of(a), Args: t.arguments.of(a)}
	// The folder that holds the build file becomes the context, as upstream, unless the package asks for another one.
	at := a.path("build_context_dir")
	where := t.context.of(a)
	if path.IsAbs(file) {
		a.scope.problem(a.path("build_file"), "%q must be relative to build_context_dir", file)
		return plan.Image{}
	}
	if t.keep.of(a) {
		build.BuildFile = path.Clean(file)
	} else if inner := path.Dir(file); inner != "." {
		where = strings.TrimSuffix(where, "/") + "/" + inner
	}
	folder, ok := a.scope.buildFolder(at, where, made)
	if !ok {
		return plan.Image{}
	}
	tree, err := a.scope.in.tree(folder)
	if err != nil {
		a.scope.problem(at, "%v", err)
		return plan.Image{}
	}
	for _, entry := range tree.Files {
		if entry.Path == build.BuildFile {
			build.Context = tree
			if err := build.Prune(); err != nil {
				a.scope.problem(at, "%v", err)
				return plan.Image{}
			}
			return plan.Image{Name: name, Build: build}
		}
	}
	a.scope.problem(a.path("build_file"), "the folder %s holds no %q", folder, build.BuildFile)
	return plan.Image{}
}

// buildFolder finds a folder relative to the file that calls the instruction, as upstream, or else relative to the file
// that made the value, which is what authors of libraries mean.
func (s *scope) buildFolder(at, where string, made *typed) (locator.File, bool) {
	found, err := s.in.pkg.Resolve(s.in.ctx, s.site.file, where, locator.Files)
	if err != nil && made.site.file != s.site.file {
		if other, otherErr := s.in.pkg.Resolve(s.in.ctx, made.site.file, where, locator.Files); otherErr == nil {
			found, err = other, nil
		}
	}
	switch {
	case err != nil:
		s.problem(at, "%v", err)
	case !found.IsDir():
		s.problem(at, "%q is not a folder", where)
	default:
		return found, true
	}
	return locator.File{}, false
}
