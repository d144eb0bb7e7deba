package session

import (
	"testing"
	"time"
)

func TestPaceIsABurstThenARate(t *testing.T) {
	pace := newPacer(5, 10)
	now := time.Now()
	for index := range 10 {
		if delay := pace.take("a", now); delay != 0 {
			t.Errorf("request %d of the burst waits %v", index, delay)
		}
	}
	if delay := pace.take("a", now); delay != 200*time.Millisecond {
		t.Errorf("the first after the burst waits %v", delay)
	}
	if delay := pace.take("a", now); delay != 400*time.Millisecond {
		t.Errorf("the second waits %v", delay)
	}
	if delay := pace.take("b", now); delay != 0 {
		t.Errorf("another service waits %v", delay)
	}
	if delay := pace.take("a", now.Add(time.Minute)); delay != 0 {
		t.Errorf("after a minute it waits %v", delay)
	}
}
