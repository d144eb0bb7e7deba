package docker

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

var _ enclave.Measured = (*Backend)(nil)

// milliPerCPU is how many thousandths a processor has.
const milliPerCPU = 1000

// Capacity implements enclave.Measured.
func (b *Backend) Capacity(ctx context.Context) (enclave.Capacity, error) {
	conn, err := b.connect()
	if err != nil {
		return enclave.Capacity{}, err
	}
	answer, err := conn.Info(ctx, client.InfoOptions{})
	if err != nil {
		return enclave.Capacity{}, fmt.Errorf("ask the engine for its processors and memory: %w", conn.translate(err))
	}
	return enclave.Capacity{MilliCPU: int64(answer.Info.NCPU) * milliPerCPU, MemoryMB: answer.Info.MemTotal / bytesPerMB}, nil
}
