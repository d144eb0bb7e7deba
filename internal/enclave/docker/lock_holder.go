package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// LockHolder implements enclave.Enclaves.
func (b *Backend) LockHolder(ctx context.Context, name, lock string) (holder string, since time.Time, err error) {
	conn, err := b.connect()
	if err != nil {
		return "", time.Time{}, err
	}
	inspected, err := conn.ContainerInspect(ctx, lockName(name, lock), client.ContainerInspectOptions{})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask who holds lock %q in enclave %q: %w", lock, name, conn.translate(err))
	}
	return inspected.Container.Config.Labels[labelHolder], parseTime(inspected.Container.Created), nil
}

var _ enclave.Enclaves = (*Backend)(nil)
