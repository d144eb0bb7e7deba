package kubernetes

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// partSize is how much of a record or an artifact one Secret holds; 1 MiB is the most that Kubernetes allows.
const partSize = 900 << 10

// contentField is the content's place in a Secret.
const contentField = "content"

func recordName(name string) string { return hashed("record", name) }

// WriteRecord implements enclave.Records. A record is one Secret, which is replaced at once. If it is too large, its content
// is in further ones of a new generation, which are there before the record names them.
func (b *Backend) WriteRecord(ctx context.Context, name, record string, content []byte) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.writeRecord(ctx, name, record, content); err != nil {
		return fmt.Errorf("write record %q of enclave %q: %w", record, name, inEnclave(name, err))
	}
	return nil
}

func (c *connection) writeRecord(ctx context.Context, name, record string, content []byte) error {
	packed, err := pack(content)
	if err != nil {
		return err
	}
	object := recordName(record)
	secret := &corev1.Secret{TypeMeta: secrets.typeMeta(), ObjectMeta: metav1.ObjectMeta{
		Name: object, Labels: objectLabels(name, roleRecord), Annotations: map[string]string{annotationName: record},
	}}
	if len(packed) <= partSize {
		secret.Data = map[string][]byte{contentField: packed}
		return c.putRecord(ctx, name, secret, "")
	}
	generation := newGeneration()
	count := 0
	for part := range slices.Chunk(packed, partSize) {
		if err := c.writePart(ctx, name, object, generation, count, part); err != nil {
			return err
		}
		count++
	}
	secret.Labels[labelGeneration] = generation
	secret.Annotations[annotationParts] = strconv.Itoa(count)
	return c.putRecord(ctx, name, secret, generation)
}

// putRecord writes the record itself and removes parts that it does not name.
func (c *connection) putRecord(ctx context.Context, name string, secret *corev1.Secret, generation string) error {
	namespace := namespaceName(name)
	key := namespace + "/" + secret.Name
	_, lean := c.lean.LoadAndDelete(key)
	for {
		_, err := replace(ctx, c, secrets, namespace, secret.Name, secret)
		if apierrors.IsNotFound(err) {
			_, err = create(ctx, c, secrets, namespace, secret)
			// A new one has no parts of an older one.
			lean = lean || err == nil
		}
		if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	if !lean {
		if err := c.removeAll(ctx, secrets, namespace, selector(ofRole(rolePart), labelOf+"="+secret.Name, notGeneration(generation)), deletion{}); err != nil {
			return err
		}
	}
	if generation == "" {
		c.lean.Store(key, true)
	}
	return nil
}

func partName(object, generation string, number int) string {
	return fmt.Sprintf("%s.%s.%04d", object, generation, number)
}

func (c *connection) writePart(ctx context.Context, name, object, generation string, number int, content []byte) error {
	_, err := create(ctx, c, secrets, namespaceName(name), &corev1.Secret{
		TypeMeta: secrets.typeMeta(), Immutable: new(true), Data: map[string][]byte{contentField: content},
		ObjectMeta: metav1.ObjectMeta{
			Name: partName(object, generation, number), Labels: objectLabels(name, rolePart, map[string]string{labelOf: object, labelGeneration: generation}),
		},
	})
	return err
}

func pack(content []byte) ([]byte, error) {
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// Record implements enclave.Records.
func (b *Backend) Record(ctx context.Context, name, record string) ([]byte, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	for {
		secret, err := get[corev1.Secret](ctx, conn, secrets, namespaceName(name), recordName(record))
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("record %q of enclave %q: %w", record, name, enclave.ErrNotFound)
		}
		if err != nil {
			return nil, fmt.Errorf("read record %q of enclave %q: %w", record, name, err)
		}
		content, err := conn.recordContent(ctx, secret)
		if apierrors.IsNotFound(err) {
			continue // It was replaced while it was read.
		}
		if err != nil {
			return nil, fmt.Errorf("read record %q of enclave %q: %w", record, name, err)
		}
		return content, nil
	}
}

func (c *connection) recordContent(ctx context.Context, secret *corev1.Secret) ([]byte, error) {
	var packed io.Reader = bytes.NewReader(secret.Data[contentField])
	if generation := secret.Labels[labelGeneration]; generation != "" {
		content := &partReader{ctx: ctx, conn: c, namespace: secret.Namespace, object: secret.Name, generation: generation}
		var err error
		if content.left, err = strconv.Atoi(secret.Annotations[annotationParts]); err != nil {
			return nil, fmt.Errorf("annotation %s: %w", annotationParts, err)
		}
		packed = content
	}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unpacked)
}

// partReader reads the parts of something one after another, each when it is needed.
type partReader struct {
	ctx                           context.Context //nolint:containedctx // A reader has no other way to know it.
	conn                          *connection
	namespace, object, generation string
	number, left                  int
	current                       []byte
}

// Read implements io.Reader.
func (r *partReader) Read(buffer []byte) (int, error) {
	for len(r.current) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		part, err := get[corev1.Secret](r.ctx, r.conn, secrets, r.namespace, partName(r.object, r.generation, r.number))
		if err != nil {
			return 0, err
		}
		r.current = part.Data[contentField]
		r.number, r.left = r.number+1, r.left-1
	}
	count := copy(buffer, r.current)
	r.current = r.current[count:]
	return count, nil
}

// ListRecords implements enclave.Records.
func (b *Backend) ListRecords(ctx context.Context, name, prefix string) ([]string, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	found, err := conn.named(ctx, name, roleRecord)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	names := []string{}
	for record := range found {
		if strings.HasPrefix(record, prefix) {
			names = append(names, record)
		}
	}
	slices.Sort(names)
	return names, nil
}

// named lists the Secrets of a role by the name that an annotation gives them, without their content.
func (c *connection) named(ctx context.Context, name, role string) (map[string]metav1.PartialObjectMetadata, error) {
	items, err := listAs[metav1.PartialObjectMetadata](ctx, c, secrets, namespaceName(name), map[string]string{"labelSelector": ofRole(role)}, metadataOnly)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		if err := c.mustExist(ctx, name); err != nil {
			return nil, err
		}
	}
	found := map[string]metav1.PartialObjectMetadata{}
	for _, item := range items {
		found[item.Annotations[annotationName]] = item
	}
	return found, nil
}

// RemoveRecord implements enclave.Records.
func (b *Backend) RemoveRecord(ctx context.Context, name, record string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := conn.removeWithParts(ctx, name, recordName(record)); err != nil {
		return fmt.Errorf("remove record %q of enclave %q: %w", record, name, err)
	}
	return nil
}

// removeWithParts removes a Secret and then its parts.
func (c *connection) removeWithParts(ctx context.Context, name, object string) error {
	err := c.do(ctx, call{verb: "DELETE", path: secrets.path(namespaceName(name), object), body: deletion{}.options()}, nil)
	if apierrors.IsNotFound(err) {
		// Whoever removed it may have been cut off before its parts went.
		err = c.mustExist(ctx, name)
	}
	if err != nil {
		return err
	}
	return c.removeAll(ctx, secrets, namespaceName(name), selector(ofRole(rolePart), labelOf+"="+object), deletion{})
}
