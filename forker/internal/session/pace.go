package session

import (
	"context"
	"sync"
	"time"
)

// Production must not notice that it is read: a service of a region gets this many requests a second once the first
// burst is used up. Adaptive retries slow down further when production throttles.
const (
	requestsPerSecond = 5
	requestBurst      = 50
)

// pacer is a token bucket for each service and region.
type pacer struct {
	rate  float64
	burst float64

	mutex   sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	last   time.Time
}

func newPacer(rate, burst float64) *pacer {
	return &pacer{rate: rate, burst: burst, buckets: map[string]*bucket{}}
}

// wait takes a token, or waits until there is one.
func (p *pacer) wait(ctx context.Context, name string) error {
	delay := p.take(name, time.Now())
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// take books a token and tells how long to wait for it.
func (p *pacer) take(name string, now time.Time) time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	current, found := p.buckets[name]
	if !found {
		current = &bucket{tokens: p.burst, last: now}
		p.buckets[name] = current
	}
	current.tokens = min(p.burst, current.tokens+p.rate*now.Sub(current.last).Seconds())
	current.last = now
	current.tokens--
	if current.tokens >= 0 {
		return 0
	}
	return time.Duration(-current.tokens / p.rate * float64(time.Second))
}
