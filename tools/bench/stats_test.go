package main

import (
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		samples []time.Duration
		want    time.Duration
	}{
		{nil, 0},
		{[]time.Duration{7}, 7},
		{[]time.Duration{9, 1, 5}, 5},
		{[]time.Duration{10, 2, 4, 8}, 6},
	} {
		if got := median(test.samples); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.samples, got, test.want)
		}
	}
	if !math.IsNaN(medianOf(nil)) {
		t.Error("the median of no ratio must be no number")
	}
}

// A round in which the machine was busy for both must not count against one of them.
func TestCompareIsPairwise(t *testing.T) {
	own := []time.Duration{110, 330, 1100}
	other := []time.Duration{100, 300, 1000}
	got, ok := compare(own, other)
	if !ok || math.Abs(got.Median-1.1) > 1e-9 || math.Abs(got.Fastest-1.1) > 1e-9 {
		t.Errorf("compare = %+v, %v, want 1.1 and 1.1", got, ok)
	}
	if _, ok := compare(own, nil); ok {
		t.Error("there is nothing to compare with")
	}
	// Rounds that only one of them had are left out.
	if got, _ := compare([]time.Duration{100, 900}, []time.Duration{100}); got.Median != 1 {
		t.Errorf("median of one common round = %v, want 1", got.Median)
	}
}
