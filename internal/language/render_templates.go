package language

import (
	"maps"
	"path"
	"slices"
	"text/template"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// templateText is one value of render_templates' config: a struct with template and data.
var templateText = kind[plan.Template]{
	name: "struct(template, data)",
	check: func(value starlark.Value) string {
		if _, ok := value.(*starlarkstruct.Struct); !ok {
			return mustBe("struct(template=..., data=...)", value)
		}
		return ""
	},
	convert: func(s *scope, at string, value starlark.Value) plan.Template {
		fields, _ := value.(*starlarkstruct.Struct)
		made := plan.Template{}
		for _, name := range fields.AttrNames() {
			field, err := fields.Attr(name)
			if err != nil {
				continue
			}
			switch name {
			case "template":
				if reason := anyText.check(field); reason != "" {
					s.problem(at+".template", "%s", reason)
				}
				made.Text = anyText.convert(s, at, field)
				if _, err := template.New(path.Base(at)).Parse(made.Text); err != nil {
					s.problem(at+".template", "%v", err)
				}
			case "data":
				made.Data = anything.convert(s, at+".data", field)
			default:
				s.problem(at, "unknown field %q%s", name, didYouMean(name, []string{"template", "data"}))
			}
		}
		for _, name := range []string{"template", "data"} {
			if !slices.Contains(fields.AttrNames(), name) {
				s.problem(at+"."+name, "is missing")
			}
		}
		return made
	},
}

func newArtifactName() *param[string] {
	return unset("name", text, "Name of the files artifact; derived from the content when left out.").formerly("artifact_name")
}

func newRenderTemplates() *builtin {
	config := required("config", dictOf(templateText), "Files by relative path: struct(template=text of a Go text/template, data=any value with a JSON form). Strings in data may hold runtime values.")
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
			made.Path = path.Clean(file)
			operation.Templates = append(operation.Templates, made)
			content = append(content, made.Path, made.Text)
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
	cleaned := path.Clean(file)
	switch {
	case file == "", cleaned == ".", path.IsAbs(file), cleaned == "..", len(cleaned) > 3 && cleaned[:3] == "../":
		return "must be relative and stay inside the artifact"
	}
	return ""
}
