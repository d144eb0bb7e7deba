package docker

import (
	"context"

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
	info, err := conn.info(ctx)
	if err != nil {
		return enclave.Capacity{}, err
	}
	return enclave.Capacity{MilliCPU: int64(info.NCPU) * milliPerCPU, MemoryMB: info.MemTotal / bytesPerMB}, nil
}
