package enclave

import "context"

// Sweeping is a Backend in which an operation that was cut off can leave in an enclave what no service shows any more, and
// nobody would find before the enclave goes.
type Sweeping interface {
	// Sweep removes what is left of operations that were cut off. What services use, and what an apply beside this one may
	// be about to use and cannot make again, stays.
	Sweep(ctx context.Context, enclave string) error
}
