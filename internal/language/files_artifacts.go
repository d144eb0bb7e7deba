package language

import (
	"path"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func newStoreServiceFiles() *builtin {
	service := newServiceName()
	source := required("src", text, "Absolute path in the service's container. A directory stores its contents, as does directory/*. May hold runtime values.").formerly("src_path")
	name := newArtifactName()
	after := optional("depends_on", anyText, "", `""`, "Text with runtime values that must be known before.")
	again := newRerun()
	return instruction("store_service_files", "Copies files of a running service into a files artifact.", "string: the artifact's name", func(c *call) (starlark.Value, error) {
		operation := &plan.StoreServiceFiles{Service: service.of(c.arguments), Source: source.of(c.arguments), Rerun: rerunOf(again.of(c.arguments))}
		artifact := name.of(c.arguments)
		after.of(c.arguments)
		if operation.Source != "" && !path.IsAbs(operation.Source) && len(plan.FindRuntimeValues(operation.Source)) == 0 {
			c.scope.problem("src", "%q must be an absolute path", operation.Source)
		}
		if c.bad() {
			return nil, nil
		}
		operation.ID = c.in.imperative(operation.Service)
		operation.Artifact = c.in.name(artifactKind, artifact, operation.Service, operation.Source)
		c.record(operation, "Storing files from service '%s' at path '%s' to files artifact with name '%s'", operation.Service, operation.Source, operation.Artifact)
		return starlark.String(operation.Artifact), nil
	}, service, source, name, after, again)
}

func newGetFilesArtifact() *builtin {
	name := required("name", identity, "Name of the files artifact.")
	return instruction("get_files_artifact", "Requires that a files artifact exists and gives its name.", "string: the artifact's name", func(c *call) (starlark.Value, error) {
		wanted := name.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		c.record(&plan.GetFilesArtifact{Artifact: wanted}, "Getting files artifact '%s'", wanted)
		return starlark.String(wanted), nil
	}, name)
}
