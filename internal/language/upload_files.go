package language

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newUploadFiles() *builtin {
	source := required("src", text, "Locator of a file or folder. A folder gives its contents.").formerly("src_path")
	name := newArtifactName()
	return instruction("upload_files", "Makes a files artifact out of files that come with a package.", "string: the artifact's name", func(c *call) (starlark.Value, error) {
		where, artifact := source.of(c.arguments), name.of(c.arguments)
		if lower := strings.ToLower(where); strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
			c.scope.problem("src", "%q is a URL, and what it gives may differ from one plan to the next: put the file into the package, or fetch it while running with plan.run_sh and store", shorten(where))
		}
		if c.bad() {
			return nil, nil
		}
		file, ok := c.scope.resolve("src", where, locator.Files)
		if !ok {
			return nil, nil
		}
		tree, err := c.in.tree(file)
		if err != nil {
			c.scope.problem("src", "%v", err)
			return nil, nil
		}
		operation := &plan.UploadFiles{Source: where, Tree: tree, Artifact: c.in.name(artifactKind, artifact, file.String())}
		c.record(operation, "Uploading file '%s' to files artifact '%s'", where, operation.Artifact)
		return starlark.String(operation.Artifact), nil
	}, source, name)
}
