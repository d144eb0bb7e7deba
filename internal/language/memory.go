package language

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// How often memory is looked at, and how often at most a collection is forced to learn how much of it is in use.
const (
	memoryInterval     = 10 * time.Millisecond
	collectionInterval = 250 * time.Millisecond
)

// watchMemory tells when the heap has grown by more than the limit since the interpretation began. Go cannot say whose
// memory it is, so this is a bound for the process rather than an account of the package.
func (in *interpreter) watchMemory() (exceeded <-chan struct{}, stop func()) {
	signal, done := make(chan struct{}), make(chan struct{})
	limit := uint64(max(in.request.Limits.Memory, 1))
	go func() {
		base := heapBytes()
		ticker := time.NewTicker(memoryInterval)
		defer ticker.Stop()
		var collected time.Time
		for {
			select {
			case <-done:
				return
			case now := <-ticker.C:
				grown := heapBytes()
				if grown < base+limit {
					continue
				}
				// Much of it may be garbage.
				if now.Sub(collected) < collectionInterval {
					continue
				}
				runtime.GC()
				collected = time.Now()
				if heapBytes() >= base+limit {
					close(signal)
					return
				}
			}
		}
	}()
	return signal, func() { close(done) }
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
