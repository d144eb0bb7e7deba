package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// PutArtifact implements enclave.Artifacts.
func (b *Backend) PutArtifact(ctx context.Context, name, digest string, content func(io.Writer) error) error {
	if err := b.begin(ctx, "PutArtifact", name, digest); err != nil {
		return err
	}
	b.mutex.Lock()
	found, err := b.find(name)
	stored := err == nil && found.artifacts[digest] != nil
	b.mutex.Unlock()
	if err != nil || stored {
		return err
	}
	var buffer bytes.Buffer
	if err := content(&buffer); err != nil {
		return fmt.Errorf("store artifact %s: %w", digest, err)
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found.artifacts[digest] = buffer.Bytes()
	return nil
}

// Artifact implements enclave.Artifacts.
func (b *Backend) Artifact(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	found, done, err := b.enter(ctx, "Artifact", name, digest)
	if err != nil {
		return nil, err
	}
	defer done()
	content, stored := found.artifacts[digest]
	if !stored {
		return nil, fmt.Errorf("artifact %s of enclave %q: %w", digest, name, enclave.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// ListArtifacts implements enclave.Artifacts.
func (b *Backend) ListArtifacts(ctx context.Context, name string) ([]string, error) {
	found, done, err := b.enter(ctx, "ListArtifacts", name, "")
	if err != nil {
		return nil, err
	}
	defer done()
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(found.artifacts)))), nil
}

// RemoveArtifacts implements enclave.Artifacts.
func (b *Backend) RemoveArtifacts(ctx context.Context, name string, digests []string) error {
	found, done, err := b.enter(ctx, "RemoveArtifacts", name, strings.Join(digests, ","))
	if err != nil {
		return err
	}
	defer done()
	for _, digest := range digests {
		delete(found.artifacts, digest)
	}
	return nil
}

// WriteRecord implements enclave.Records.
func (b *Backend) WriteRecord(ctx context.Context, name, record string, content []byte) error {
	found, done, err := b.enter(ctx, "WriteRecord", name, record)
	if err != nil {
		return err
	}
	defer done()
	found.records[record] = slices.Clone(content)
	return nil
}

// Record implements enclave.Records.
func (b *Backend) Record(ctx context.Context, name, record string) ([]byte, error) {
	found, done, err := b.enter(ctx, "Record", name, record)
	if err != nil {
		return nil, err
	}
	defer done()
	content, written := found.records[record]
	if !written {
		return nil, fmt.Errorf("record %q of enclave %q: %w", record, name, enclave.ErrNotFound)
	}
	return slices.Clone(content), nil
}

// ListRecords implements enclave.Records.
func (b *Backend) ListRecords(ctx context.Context, name, prefix string) ([]string, error) {
	found, done, err := b.enter(ctx, "ListRecords", name, prefix)
	if err != nil {
		return nil, err
	}
	defer done()
	names := []string{}
	for record := range found.records {
		if strings.HasPrefix(record, prefix) {
			names = append(names, record)
		}
	}
	slices.Sort(names)
	return names, nil
}

// RemoveRecord implements enclave.Records.
func (b *Backend) RemoveRecord(ctx context.Context, name, record string) error {
	found, done, err := b.enter(ctx, "RemoveRecord", name, record)
	if err != nil {
		return err
	}
	defer done()
	delete(found.records, record)
	return nil
}
