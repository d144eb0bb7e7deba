package kubernetes

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// mostParts bounds an artifact: what is in Secrets is in the cluster's own database.
const mostParts = 36

func artifactName(digest string) string { return hashed("artifact", digest) }

// PutArtifact implements enclave.Artifacts. The content goes, packed, into parts; the Secret that names the artifact is
// made last, so that one which is there is whole.
func (b *Backend) PutArtifact(ctx context.Context, name, digest string, content func(io.Writer) error) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.putArtifact(ctx, name, digest, content); err != nil {
		return fmt.Errorf("store artifact %s in enclave %q: %w", digest, name, inEnclave(name, err))
	}
	return nil
}

func (c *connection) putArtifact(ctx context.Context, name, digest string, content func(io.Writer) error) error {
	object := artifactName(digest)
	_, err := get[corev1.Secret](ctx, c, secrets, namespaceName(name), object)
	if err == nil || !apierrors.IsNotFound(err) {
		return err
	}
	if err := c.mustExist(ctx, name); err != nil {
		return err
	}
	parts := &partWriter{ctx: ctx, conn: c, enclave: name, object: object, generation: newGeneration()}
	packed := gzip.NewWriter(parts)
	err = content(packed)
	if err == nil {
		err = packed.Close()
	}
	if err == nil {
		err = parts.flush()
	}
	if err == nil {
		_, err = create(ctx, c, secrets, namespaceName(name), &corev1.Secret{TypeMeta: secrets.typeMeta(), ObjectMeta: metav1.ObjectMeta{
			Name: object, Labels: objectLabels(name, roleArtifact, map[string]string{labelGeneration: parts.generation}),
			Annotations: map[string]string{annotationName: digest, annotationParts: strconv.Itoa(parts.count)},
		}})
	}
	if err == nil {
		return nil
	}
	detached, cancel := detach(ctx)
	defer cancel()
	cleanErr := c.removeAll(detached, secrets, namespaceName(name), selector(ofRole(rolePart), ofGeneration(parts.generation)), deletion{})
	if apierrors.IsAlreadyExists(err) {
		return cleanErr // Somebody else has stored the same.
	}
	return errors.Join(err, cleanErr)
}

// partWriter writes a stream into parts.
type partWriter struct {
	ctx                         context.Context //nolint:containedctx // A writer has no other way to know it.
	conn                        *connection
	enclave, object, generation string
	buffer                      bytes.Buffer
	count                       int
}

// Write implements io.Writer.
func (w *partWriter) Write(data []byte) (int, error) {
	written := len(data)
	for len(data) > 0 {
		room := min(partSize-w.buffer.Len(), len(data))
		w.buffer.Write(data[:room])
		data = data[room:]
		if w.buffer.Len() == partSize {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (w *partWriter) flush() error {
	if w.buffer.Len() == 0 {
		return nil
	}
	if w.count == mostParts {
		return fmt.Errorf("it is larger than %d MiB when packed, which is more than a cluster's database should hold; put large files into an image, or have a task fetch them into a persistent directory", mostParts*partSize>>20)
	}
	if err := w.conn.writePart(w.ctx, w.enclave, w.object, w.generation, w.count, bytes.Clone(w.buffer.Bytes())); err != nil {
		return err
	}
	w.count++
	w.buffer.Reset()
	return nil
}

// Artifact implements enclave.Artifacts.
func (b *Backend) Artifact(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	stream, err := conn.artifact(ctx, name, digest)
	if err != nil {
		return nil, fmt.Errorf("read artifact %s of enclave %q: %w", digest, name, err)
	}
	return stream, nil
}

func (c *connection) artifact(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	secret, err := get[corev1.Secret](ctx, c, secrets, namespaceName(name), artifactName(digest))
	if apierrors.IsNotFound(err) {
		return nil, enclave.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	content := &partReader{ctx: ctx, conn: c, namespace: secret.Namespace, object: secret.Name, generation: secret.Labels[labelGeneration]}
	if content.left, err = strconv.Atoi(secret.Annotations[annotationParts]); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", annotationParts, err)
	}
	return gzip.NewReader(content)
}

// ListArtifacts implements enclave.Artifacts.
func (b *Backend) ListArtifacts(ctx context.Context, name string) ([]string, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	found, err := conn.named(ctx, name, roleArtifact)
	if err != nil {
		return nil, fmt.Errorf("list artifacts: %w", err)
	}
	digests := make([]string, 0, len(found))
	for digest := range found {
		digests = append(digests, digest)
	}
	slices.Sort(digests)
	return digests, nil
}

// RemoveArtifacts implements enclave.Artifacts.
func (b *Backend) RemoveArtifacts(ctx context.Context, name string, digests []string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	for _, digest := range digests {
		if err := conn.removeWithParts(ctx, name, artifactName(digest)); err != nil {
			return fmt.Errorf("remove artifact %s of enclave %q: %w", digest, name, err)
		}
	}
	return nil
}
