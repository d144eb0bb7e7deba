package main

import (
	"math"
	"slices"
	"time"
)

// median of durations; zero for none.
func median(samples []time.Duration) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// medianOf is the median of ratios; NaN for none.
func medianOf(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// fastest of durations; zero for none.
func fastest(samples []time.Duration) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	return slices.Min(samples)
}

// comparison is one series of samples against another, taken in turns.
type comparison struct {
	// Median of the ratios of samples that were taken in the same round: what both met, a busy machine above all, cancels
	// out.
	Median float64 `json:"median"`
	// Fastest is the ratio of the fastest samples: what remains where noise is left out.
	Fastest float64 `json:"fastest"`
}

// compare two series; samples of one round stand at the same index. It reports false where there is nothing to compare.
func compare(own, other []time.Duration) (comparison, bool) {
	count := min(len(own), len(other))
	if count == 0 || fastest(other) <= 0 {
		return comparison{}, false
	}
	ratios := make([]float64, 0, count)
	for i := range count {
		if other[i] > 0 {
			ratios = append(ratios, float64(own[i])/float64(other[i]))
		}
	}
	return comparison{Median: medianOf(ratios), Fastest: float64(fastest(own)) / float64(fastest(other))}, len(ratios) > 0
}
