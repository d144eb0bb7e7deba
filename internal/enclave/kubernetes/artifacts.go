package kubernetes

import (
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

// mostParts is how many Secrets an artifact may take: what is in them is in the cluster's own database.
const mostParts = 36

func artifactName(digest string) string { return hashed("artifact", digest) }

// PutArtifact implements enclave.Artifacts. The content goes, packed, into parts, or into the enclave's store where it is too
// large for that; the Secret that names the artifact is made last, so that one which is there is whole.
func (b *Backend) PutArtifact(ctx context.Context, name, digest string, content func(io.Writer) error) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := b.putArtifact(ctx, conn, name, digest, content); err != nil {
		return fmt.Errorf("store artifact %s in enclave %q: %w", digest, name, inEnclave(name, err))
	}
	return nil
}

func (b *Backend) putArtifact(ctx context.Context, conn *connection, name, digest string, content func(io.Writer) error) (err error) {
	object := artifactName(digest)
	there, err := get[corev1.Secret](ctx, conn, secrets, namespaceName(name), object)
	if err == nil {
		if whole, err := conn.isWhole(ctx, name, there.ObjectMeta); err != nil || whole {
			return err
		}
		err = conn.remove(ctx, secrets, there.Namespace, there.Name, deletion{uid: string(there.UID)})
	}
	if ignoreMissing(err) != nil {
		return err
	}
	if err := conn.mustExist(ctx, name); err != nil {
		return err
	}
	work := &artifactWriter{ctx: ctx, backend: b, conn: conn, enclave: name, object: object, generation: newGeneration()}
	defer func() { err = errors.Join(err, work.held.close()) }()
	packed := newPacker(work)
	err = content(packed)
	if err == nil {
		err = packed.close()
	}
	if err == nil {
		err = work.finish()
	} else if work.large != nil {
		work.large.abort(err)
	}
	if err == nil {
		_, err = create(ctx, conn, secrets, namespaceName(name), work.secret(digest))
	}
	if err == nil {
		return nil
	}
	detached, cancel := detach(ctx)
	defer cancel()
	// A server that was cut off before it answered may have stored the Secret all the same: then its parts must stay.
	made, lookErr := get[corev1.Secret](detached, conn, secrets, namespaceName(name), object)
	if lookErr == nil && made.Labels[labelGeneration] == work.generation {
		return nil
	}
	if lookErr != nil && !apierrors.IsNotFound(lookErr) {
		return errors.Join(err, lookErr)
	}
	cleanErr := work.undo(detached)
	if apierrors.IsAlreadyExists(err) {
		return cleanErr // Somebody else has stored the same.
	}
	return errors.Join(err, cleanErr)
}

// isWhole tells whether an artifact's content is where its Secret says: somebody may have deleted the store's volume.
func (c *connection) isWhole(ctx context.Context, name string, artifact metav1.ObjectMeta) (bool, error) {
	kept := artifact.Annotations[annotationStore]
	if kept == "" {
		return true, nil
	}
	volume, err := c.storeVolume(ctx, name)
	return volume == kept, err
}

// artifactWriter takes a packed artifact. What fits into Secrets is held until it is whole; what is more goes into the store.
type artifactWriter struct {
	ctx                         context.Context //nolint:containedctx // A writer has no other way to know it.
	backend                     *Backend
	conn                        *connection
	enclave, object, generation string
	held                        spool
	parts                       int
	large                       *storeUpload
}

// Write implements io.Writer.
func (w *artifactWriter) Write(data []byte) (int, error) {
	if w.large == nil && w.held.size+int64(len(data)) <= int64(w.backend.partsKept)*partSize {
		return w.held.Write(data)
	}
	if w.large == nil {
		if err := w.enlarge(); err != nil {
			return 0, err
		}
	}
	return w.large.Write(data)
}

// enlarge moves what is held into the store.
func (w *artifactWriter) enlarge() (err error) {
	if w.large, err = w.backend.upload(w.ctx, w.conn, w.enclave, w.object+"."+w.generation); err != nil {
		return err
	}
	held, err := w.held.reader()
	if err == nil {
		_, err = io.Copy(w.large, held)
	}
	return errors.Join(err, w.held.close())
}

// finish returns once all of the content is where it stays.
func (w *artifactWriter) finish() error {
	if w.large != nil {
		return w.large.finish()
	}
	held, err := w.held.reader()
	if err != nil {
		return err
	}
	for left := w.held.size; left > 0; w.parts++ {
		part := make([]byte, min(left, partSize))
		if _, err := io.ReadFull(held, part); err != nil {
			return err
		}
		left -= int64(len(part))
		if err := w.conn.writePart(w.ctx, w.enclave, w.object, w.generation, w.parts, part); err != nil {
			return err
		}
	}
	return nil
}

// secret names the artifact.
func (w *artifactWriter) secret(digest string) *corev1.Secret {
	secret := &corev1.Secret{TypeMeta: secrets.typeMeta(), ObjectMeta: metav1.ObjectMeta{
		Name: w.object, Labels: objectLabels(w.enclave, roleArtifact, map[string]string{labelGeneration: w.generation}),
		Annotations: map[string]string{annotationName: digest, annotationParts: strconv.Itoa(w.parts)},
	}}
	if w.large != nil {
		secret.Annotations[annotationStore] = w.large.store.volume
	}
	return secret
}

// undo removes what nobody names.
func (w *artifactWriter) undo(ctx context.Context) error {
	if w.large != nil {
		return w.conn.removeStored(ctx, w.enclave, []string{w.large.file})
	}
	return w.conn.removeAll(ctx, secrets, namespaceName(w.enclave), selector(ofRole(rolePart), ofGeneration(w.generation)), deletion{})
}

// packer packs well what may end in the cluster's database, and fast what comes after.
type packer struct {
	target io.Writer
	packed *gzip.Writer
	taken  int
	fast   bool
}

// packedWell is how much is packed well.
const packedWell = 64 << 20

func newPacker(target io.Writer) *packer {
	return &packer{target: target, packed: gzip.NewWriter(target)}
}

// Write implements io.Writer.
func (p *packer) Write(data []byte) (int, error) {
	if p.taken += len(data); p.taken > packedWell && !p.fast {
		// One archive after another is one archive.
		if err := p.packed.Close(); err != nil {
			return 0, err
		}
		faster, err := gzip.NewWriterLevel(p.target, gzip.BestSpeed)
		if err != nil {
			return 0, err
		}
		p.packed, p.fast = faster, true
	}
	return p.packed.Write(data)
}

func (p *packer) close() error { return p.packed.Close() }

// Artifact implements enclave.Artifacts.
func (b *Backend) Artifact(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	stream, err := b.artifact(ctx, conn, name, digest)
	if err != nil {
		return nil, fmt.Errorf("read artifact %s of enclave %q: %w", digest, name, err)
	}
	return stream, nil
}

func (b *Backend) artifact(ctx context.Context, conn *connection, name, digest string) (io.ReadCloser, error) {
	secret, err := get[corev1.Secret](ctx, conn, secrets, namespaceName(name), artifactName(digest))
	if apierrors.IsNotFound(err) {
		return nil, enclave.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if whole, err := conn.isWhole(ctx, name, secret.ObjectMeta); err != nil || !whole {
		return nil, errors.Join(err, enclave.ErrNotFound)
	}
	if secret.Annotations[annotationStore] != "" {
		packed, err := b.download(ctx, conn, name, storedFile(secret.ObjectMeta))
		if err != nil {
			return nil, err
		}
		return unpackStream(packed)
	}
	content := &partReader{ctx: ctx, conn: conn, namespace: secret.Namespace, object: secret.Name, generation: secret.Labels[labelGeneration]}
	if content.left, err = strconv.Atoi(secret.Annotations[annotationParts]); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", annotationParts, err)
	}
	return gzip.NewReader(content)
}

// unpackedStream closes what it unpacks.
type unpackedStream struct {
	*gzip.Reader
	packed io.Closer
}

func unpackStream(packed io.ReadCloser) (io.ReadCloser, error) {
	reader, err := gzip.NewReader(packed)
	if err != nil {
		return nil, errors.Join(err, packed.Close())
	}
	return &unpackedStream{reader, packed}, nil
}

// Close implements io.Closer.
func (s *unpackedStream) Close() error { return errors.Join(s.Reader.Close(), s.packed.Close()) }

// ListArtifacts implements enclave.Artifacts.
func (b *Backend) ListArtifacts(ctx context.Context, name string) ([]string, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	found, err := conn.wholeArtifacts(ctx, name)
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

// wholeArtifacts gives the artifacts whose content is there, by digest.
func (c *connection) wholeArtifacts(ctx context.Context, name string) (map[string]metav1.PartialObjectMetadata, error) {
	found, err := c.named(ctx, name, roleArtifact)
	if err != nil {
		return nil, err
	}
	volume, known := "", false
	for digest, item := range found {
		kept := item.Annotations[annotationStore]
		if kept == "" {
			continue
		}
		if !known {
			if volume, err = c.storeVolume(ctx, name); err != nil {
				return nil, err
			}
			known = true
		}
		if kept != volume {
			delete(found, digest)
		}
	}
	return found, nil
}

// RemoveArtifacts implements enclave.Artifacts.
func (b *Backend) RemoveArtifacts(ctx context.Context, name string, digests []string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if len(digests) == 0 {
		return nil
	}
	found, err := conn.named(ctx, name, roleArtifact)
	if err != nil {
		return fmt.Errorf("remove artifacts: %w", err)
	}
	var files []string
	for _, digest := range digests {
		item := found[digest]
		if item.Annotations[annotationStore] != "" {
			files = append(files, storedFile(item.ObjectMeta))
		}
		if err := conn.removeWithParts(ctx, name, artifactName(digest)); err != nil {
			return fmt.Errorf("remove artifact %s of enclave %q: %w", digest, name, err)
		}
	}
	if len(files) == 0 {
		return nil
	}
	if err := conn.removeStored(ctx, name, files); err != nil {
		return fmt.Errorf("remove artifacts of enclave %q from its store: %w", name, err)
	}
	return nil
}
