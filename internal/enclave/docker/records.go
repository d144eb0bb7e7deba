package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func recordNote(record string) string { return folderRecords + "/" + record }

// WriteRecord implements enclave.Records.
func (b *Backend) WriteRecord(ctx context.Context, name, record string, content []byte) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	defer b.records.lock(name + "/" + record)()
	if content == nil {
		content = []byte{} // A note without content is none, and a record may be empty.
	}
	if err := conn.writeNotes(ctx, name, note{recordNote(record), content}); err != nil {
		return fmt.Errorf("write record %q: %w", record, err)
	}
	return nil
}

// Record implements enclave.Records.
func (b *Backend) Record(ctx context.Context, name, record string) ([]byte, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	content, found, err := conn.readNote(ctx, name, recordNote(record))
	if err != nil {
		return nil, fmt.Errorf("read record %q: %w", record, err)
	}
	if !found {
		return nil, fmt.Errorf("record %q of enclave %q: %w", record, name, enclave.ErrNotFound)
	}
	return content, nil
}

// ListRecords implements enclave.Records.
func (b *Backend) ListRecords(ctx context.Context, name, prefix string) ([]string, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	list, err := conn.allNotes(ctx, name)
	if err == nil && !list.isThere() {
		err = noEnclave(name)
	}
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	names := []string{}
	for path := range list.newest {
		if record, found := strings.CutPrefix(path, folderRecords+"/"); found && strings.HasPrefix(record, prefix) {
			names = append(names, record)
		}
	}
	slices.Sort(names)
	return names, nil
}

// RemoveRecord implements enclave.Records.
func (b *Backend) RemoveRecord(ctx context.Context, name, record string) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	defer b.records.lock(name + "/" + record)()
	if err := conn.writeNotes(ctx, name, note{path: recordNote(record)}); err != nil {
		return fmt.Errorf("remove record %q: %w", record, err)
	}
	return nil
}
