package enclave

import "context"

// Capacity is what the machine of a backend has to give.
type Capacity struct {
	// MilliCPU is processor time in thousandths of a processor, MemoryMB memory in megabytes (10^6 bytes).
	MilliCPU, MemoryMB int64
}

// Measured is a Backend that knows how much it has to give. Where services are spread over machines nobody knows that
// beforehand, so not every backend is one.
type Measured interface {
	// Capacity tells what there is in all, whatever is in use.
	Capacity(ctx context.Context) (Capacity, error)
}
