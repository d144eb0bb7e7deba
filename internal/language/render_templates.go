package language

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// templateText is one value of render_templates' config: a struct with template and data.
var templateText = kind[plan.Template]{
	name: "struct(template, data)",
	check: func(value starlark.Value) string {
		if _, isDict := value.(*starlark.Dict); isDict {
			// Earlier versions had dictionaries here.
			list, _ := fields(value)
			if slices.ContainsFunc(list, func(field starlark.Tuple) bool { return field[0] == starlark.String("template") }) {
				return ""
			}
		} else if _, ok := value.(*starlarkstruct.Struct); ok {
			return ""
		}
		return mustBe("struct(template=..., data=...)", value)
	},
	convert: func(s *scope, at string, value starlark.Value) plan.Template {
		list, _ := fields(value)
		made := plan.Template{}
		var names []string
		if value.Type() == "dict" {
			s.in.deprecate(s.site.position, "a template is given as a dict: write struct(template = ..., data = ...)")
		}
		for _, item := range list {
			name, _ := starlark.AsString(item[0])
			field := item[1]
			if name == "template_data" {
				s.in.deprecate(s.site.position, "the field template_data of a template is now called data")
				name = "data"
			}
			names = append(names, name)
			switch name {
			case "template":
				if reason := anyText.check(field); reason != "" {
					s.problem(at+".template", "%s", reason)
				}
				made.Text = anyText.convert(s, at, field)
				if values := plan.FindRuntimeValues(made.Text); len(values) > 0 {
					s.problem(at+".template", "the text of a template cannot hold %s: pass it in data", plan.ReadableRuntimeValues(values[0].String()))
				} else if _, err := template.New(path.Base(at)).Parse(made.Text); err != nil {
					s.problem(at+".template", "%v", err)
				}
			case "data":
				made.Data = anything.convert(s, at+".data", field)
			default:
				s.problem(at, "unknown field %q%s", name, didYouMean(name, []string{"template", "data"}))
			}
		}
		for _, name := range []string{"template", "data"} {
			if !slices.Contains(names, name) {
				s.problem(at+"."+name, "is missing")
			}
		}
		return made
	},
}

// newArtifactIdentity is the name under which an artifact is made. Names are not resolved, here and where they are used,
// so a runtime value in one stands for itself, as upstream; that is seldom what was meant.
var newArtifactIdentity = kind[string]{
	name: "string", check: text.check,
	convert: func(s *scope, at string, value starlark.Value) string {
		name := identity.convert(s, at, value)
		if values := plan.FindRuntimeValues(name); len(values) > 0 {
			s.in.warn(s.site.position, fmt.Sprintf("%s: %s stands for itself in the name of a files artifact, which is needed before anything runs",
				at, plan.ReadableRuntimeValues(values[0].String())))
		}
		return name
	},
}

func newArtifactName() *param[string] {
	return unset("name", newArtifactIdentity, "Name of the files artifact; derived from the content when left out.").formerly("artifact_name", "artifact_id", "artifact_uuid")
}

func newRenderTemplates() *builtin {
	config := required("config", dictOf(templateText), "Files by relative path: struct(template=text of a Go text/template, data=any value with a JSON form). Strings in data may hold runtime values.").formerly("template_and_data_by_dest_rel_filepath")
	name := newArtifactName()
	return instruction("render_templates", "Makes a files artifact out of Go text/templates.", "string: the artifact's name", func(c *call) (starlark.Value, error) {
		templates, artifact := config.of(c.arguments), name.of(c.arguments)
		operation := &plan.RenderTemplates{}
		var content []string
		for _, file := range slices.Sorted(maps.Keys(templates)) {
			if reason := artifactPath(file); reason != "" {
				c.scope.problem("config", "path %q %s", shorten(file), reason)
			}
			made := templates[file]
			// As upstream, a path counts from the artifact's root, with or without a leading slash.
			made.Path = strings.TrimPrefix(path.Clean(file), "/")
			operation.Templates = append(operation.Templates, made)
		}
		slices.SortFunc(operation.Templates, func(a, b plan.Template) int { return strings.Compare(a.Path, b.Path) })
		for i, made := range operation.Templates {
			content = append(content, made.Path, made.Text)
			if i > 0 && operation.Templates[i-1].Path == made.Path {
				c.scope.problem("config", "path %q is given in two spellings", shorten(made.Path))
			}
		}
		if dict, ok := config.raw(c.arguments).(*starlark.Dict); ok && dict.Len() == 0 {
			c.scope.problem("config", "can't be empty")
		}
		if c.bad() {
			return nil, nil
		}
		operation.Artifact = c.in.name(artifactKind, artifact, content...)
		c.record(operation, "Rendering a template to a files artifact with name '%s'", operation.Artifact)
		return starlark.String(operation.Artifact), nil
	}, config, name)
}

// artifactPath tells why a text is no path inside an artifact; empty when it is one.
func artifactPath(file string) string {
	cleaned := strings.TrimPrefix(path.Clean(file), "/")
	switch {
	case file == "", cleaned == "", cleaned == ".":
		return "must name a file inside the artifact"
	case cleaned == "..", strings.HasPrefix(cleaned, "../"):
		return "must stay inside the artifact"
	}
	return ""
}
