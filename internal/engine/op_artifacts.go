package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// makeArtifact carries out upload_files and render_templates: the content is known, so it is stored under its digest
// unless it is there already.
func (x *execution) makeArtifact(ctx context.Context, i int, operation plan.Operation) error {
	name, tree, err := artifactTree(operation, x.world)
	if err != nil {
		return err
	}
	digest, err := x.decider.digests.content(tree, isSensitive(operation))
	if err != nil {
		return err
	}
	x.store.mutex.Lock()
	recorded := x.store.record.Artifacts[name]
	x.store.mutex.Unlock()
	taken := decideArtifact(digest, recorded, x.ahead.wasStored(digest))
	x.note(i, kindArtifact, name, taken)
	if taken.action != ActionKeep {
		if err := x.ahead.artifact(ctx, digest, func() (*plan.FileTree, error) { return tree, nil }); err != nil {
			return err
		}
	}
	x.keepArtifact(name, digest)
	if recorded != digest {
		x.store.later(ctx, func(r *record) {
			r.outdate(r.Artifacts[name])
			r.Artifacts[name] = digest
		})
	}
	return nil
}

// artifactTree gives the content of an artifact that a plan itself determines.
func artifactTree(operation plan.Operation, values plan.Values) (name string, tree *plan.FileTree, err error) {
	switch operation := operation.(type) {
	case *plan.UploadFiles:
		return operation.Artifact, operation.Tree, nil
	case *plan.RenderTemplates:
		tree, err = renderTemplates(operation, values)
		return operation.Artifact, tree, err
	default:
		return "", nil, fmt.Errorf("%T makes no files artifact of known content", operation)
	}
}

// isSensitive tells whether an artifact may hold secrets. What a package uploads is as open as the package itself; what
// is rendered may hold arguments and runtime values.
func isSensitive(operation plan.Operation) bool {
	upload, ok := operation.(*plan.UploadFiles)
	return !ok || upload.Sensitive
}

// renderedMode is the mode of rendered files.
const renderedMode = 0o644

func renderTemplates(operation *plan.RenderTemplates, values plan.Values) (*plan.FileTree, error) {
	files := make([]plan.File, 0, len(operation.Templates))
	for _, source := range operation.Templates {
		text, err := renderTemplate(source, values)
		if err != nil {
			return nil, fmt.Errorf("template of %q: %w", source.Path, err)
		}
		files = append(files, plan.TextFile(source.Path, renderedMode, text))
	}
	return plan.NewFileTree(files)
}

func renderTemplate(source plan.Template, values plan.Values) (string, error) {
	parsed, err := template.New(source.Path).Parse(source.Text)
	if err != nil {
		return "", err
	}
	// Values are put into the data itself, not into its JSON text: quotes and line breaks in them do no harm.
	data, err := plan.ResolveAny(source.Data, values, false)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, templateData(data)); err != nil {
		return "", err
	}
	return text.String(), nil
}

// exactFloat prints as authors wrote it, 1.0 as 1.0, and still compares as a number in a template.
type exactFloat float64

// String gives the text of a float with its decimal point.
func (f exactFloat) String() string {
	text := strconv.FormatFloat(float64(f), 'g', -1, 64)
	if !strings.ContainsAny(text, ".eIN") {
		text += ".0"
	}
	return text
}

// templateData gives data the types that templates work well with. Integers print exactly and compare as numbers as
// they are.
func templateData(value any) any {
	return mapLeaves(value, func(leaf any) any {
		if float, ok := leaf.(float64); ok {
			return exactFloat(float)
		}
		return leaf
	})
}

// storeServiceFiles makes an artifact out of files of a service.
func (x *execution) storeServiceFiles(ctx context.Context, i int, operation *plan.StoreServiceFiles) error {
	return x.carry(ctx, i, func(ctx context.Context, s *step) (map[string]any, map[string]string, error) {
		digest, err := x.storeFrom(ctx, s.service, s.source)
		if err != nil {
			return nil, nil, &serviceError{s.service, err}
		}
		return nil, map[string]string{operation.Artifact: digest}, nil
	})
}

// storeFrom copies a path of a service into the enclave's store. Equal content has an equal digest, whatever its times
// and owners are.
func (x *execution) storeFrom(ctx context.Context, service, source string) (digest string, err error) {
	stream, err := x.engine.backend.CopyFrom(ctx, x.request.Enclave, service, storePath(source))
	if err != nil {
		return "", fmt.Errorf("store %q of service %q: %w", source, service, err)
	}
	spooled, err := spoolTar(stream)
	if closeErr := stream.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", fmt.Errorf("store %q of service %q: %w", source, service, err)
	}
	defer func() { err = errors.Join(err, spooled.close()) }()
	for _, path := range spooled.skipped {
		x.warn(fmt.Sprintf("service %q: %q is neither file, folder nor link and is left out of the files artifact", service, path))
	}
	if digest, err = x.decider.digests.content(spooled.tree, true); err != nil {
		return "", err
	}
	if err := x.ahead.artifact(ctx, digest, func() (*plan.FileTree, error) { return spooled.tree, nil }); err != nil {
		return "", err
	}
	return digest, nil
}

// storePath understands dir/* as the contents of dir, which is what a folder stores in any case.
func storePath(source string) string {
	if trimmed, found := strings.CutSuffix(source, "/*"); found {
		if trimmed == "" {
			return "/"
		}
		return trimmed
	}
	return source
}

// getArtifact requires that an artifact exists, in this run or in another one of the enclave.
func (x *execution) getArtifact(ctx context.Context, operation *plan.GetFilesArtifact) error {
	if err := x.borrowNames(ctx, []string{operation.Artifact}); err != nil {
		return err
	}
	if _, found := x.world.artifact(operation.Artifact); found {
		return nil
	}
	return fmt.Errorf("files artifact %q: %w in the enclave", operation.Artifact, enclave.ErrNotFound)
}
