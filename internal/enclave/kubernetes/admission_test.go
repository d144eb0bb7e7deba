package kubernetes

import (
	"testing"
	"time"
)

// What goes away by itself is waited for, as long as it may take; what does not is told at once.
func TestRefusalsThatPass(t *testing.T) {
	t.Parallel()
	const (
		noAccount    = `pods "api-" is forbidden: error looking up service account sundog-dev/default: serviceaccount "default" not found`
		otherAccount = `pods "api-" is forbidden: error looking up service account sundog-dev/robot: serviceaccount "robot" not found`
		quota        = `pods "api-" is forbidden: exceeded quota: sundog, requested: pods=1, used: pods=2, limited: pods=2`
	)
	for _, test := range []struct {
		name, message string
		since         time.Duration
		want          bool
	}{
		{"its own account, at first", noAccount, 0, true},
		{"its own account, after a restart of the API server", noAccount, time.Minute, true},
		{"its own account, for too long", noAccount, accountPatience, false},
		{"an account that somebody has to make", otherAccount, 0, false},
		{"a pod that ends still counts", quota, 0, true},
		{"a quota that is too small", quota, quotaPatience, false},
	} {
		waiter := &startWaiter{firstRefused: time.Now().Add(-test.since)}
		if err := waiter.refused(test.message); (err == nil) != test.want {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
