package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newUploadFiles() *builtin {
	source := required("src", text, "Locator of a file or folder, or an http:// or https:// URL of a file. A folder gives its contents.").formerly("src_path")
	name := newArtifactName()
	return instruction("upload_files", "Makes a files artifact out of files that come with a package.", "string: the artifact's name", func(c *call) (starlark.Value, error) {
		where, artifact := source.of(c.arguments), name.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		tree, origin, ok := c.uploaded(where)
		if !ok {
			return nil, nil
		}
		operation := &plan.UploadFiles{Source: where, Tree: tree, Artifact: c.in.name(artifactKind, artifact, origin)}
		c.record(operation, "Uploading file '%s' to files artifact '%s'", where, operation.Artifact)
		return starlark.String(operation.Artifact), nil
	}, source, name)
}

// uploaded gives the files that upload_files is about, and what they are called. What a URL gives is fetched while the
// package is interpreted, so that the plan knows it by its digest.
func (c *call) uploaded(where string) (tree *plan.FileTree, origin string, ok bool) {
	var err error
	if locator.IsURL(where) {
		tree, err = c.in.pkg.Download(c.in.ctx, where)
		origin = where
	} else {
		file, found := c.scope.resolve("src", where, locator.Files)
		if !found {
			return nil, "", false
		}
		tree, err = c.in.tree(file)
		origin = file.String()
	}
	if err != nil {
		c.scope.problem("src", "%v", err)
		return nil, "", false
	}
	return tree, origin, true
}
