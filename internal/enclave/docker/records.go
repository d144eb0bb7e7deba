package docker

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// WriteRecord implements enclave.Records.
func (b *Backend) WriteRecord(ctx context.Context, name, record string, content []byte) error {
	conn, err := b.connect()
	if err != nil {
		return err
	}
	if err := b.writeSlot(ctx, conn, name, path.Join(folderRecords, recordFolder(record)), slot{content: content}, false); err != nil {
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
	files, err := conn.readStore(ctx, name, path.Join(folderRecords, recordFolder(record)))
	if err != nil {
		return nil, fmt.Errorf("read record %q: %w", record, err)
	}
	newest, found := newestSlot(files)
	if !found || newest.removed {
		return nil, fmt.Errorf("record %q of enclave %q: %w", record, name, enclave.ErrNotFound)
	}
	return newest.content, nil
}

// ListRecords implements enclave.Records.
func (b *Backend) ListRecords(ctx context.Context, name, prefix string) ([]string, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	files, err := conn.readStore(ctx, name, folderRecords)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	slots := map[string]map[string][]byte{}
	for file, content := range files {
		folder := path.Dir(file)
		if slots[folder] == nil {
			slots[folder] = map[string][]byte{}
		}
		slots[folder][path.Base(file)] = content
	}
	names := []string{}
	for folder, versions := range slots {
		newest, found := newestSlot(versions)
		if record := recordName(folder); found && !newest.removed && strings.HasPrefix(record, prefix) {
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
	folder := path.Join(folderRecords, recordFolder(record))
	if err := b.writeSlot(ctx, conn, name, folder, slot{removed: true}, false); err != nil {
		return fmt.Errorf("remove record %q: %w", record, err)
	}
	return nil
}

// writeSlot writes the next version of what a folder of the store holds. Alone tells that nobody else writes to the store.
func (b *Backend) writeSlot(ctx context.Context, conn *connection, name, folder string, next slot, alone bool) error {
	defer b.records.lock(name + "/" + folder)()
	return conn.updateStore(ctx, name, folder, alone, func(files map[string][]byte) []storeFile {
		if newest, found := newestSlot(files); next.removed && (!found || newest.removed) {
			return nil
		}
		return nextSlot(folder, files, next.content, next.removed)
	})
}
