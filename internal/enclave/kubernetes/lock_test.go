package kubernetes

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
)

// A process that was killed holds nothing, and nobody on the same machine has to wait until it has been silent for long.
func TestKubernetesTakesLocksOverFromTheDead(t *testing.T) {
	t.Parallel()
	backend := kubernetesBackend(t)
	conn, err := backend.connect()
	must(t, err)
	name := makeEnclave(t, backend)
	leave := func(lock string, process lockholder.Process) {
		t.Helper()
		_, err := create(t.Context(), conn, leases, namespaceName(name), &coordinationv1.Lease{
			TypeMeta: leases.typeMeta(),
			ObjectMeta: metav1.ObjectMeta{
				Name: lockName(lock), Labels: objectLabels(name, roleLock),
				Annotations: map[string]string{annotationName: lock, annotationHolder: "somebody", annotationProcess: string(mustMarshal(t, process))},
			},
		})
		must(t, err)
	}
	take := func(lock string, within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		unlock, err := backend.Lock(ctx, name, lock, "the next one")
		if err == nil {
			unlock()
		}
		return err
	}
	dead := lockholder.This()
	dead.Started = "1"
	leave("killed", dead)
	must(t, take("killed", time.Minute))
	elsewhere := dead
	elsewhere.Machine = "elsewhere"
	leave("elsewhere", elsewhere)
	mentions(t, take("elsewhere", 5*time.Second), "somebody", name)

	// As where the API server is away when the lock is to be released.
	_, err = backend.Lock(t.Context(), name, "lost", "this process")
	must(t, err)
	mentions(t, take("lost", 5*time.Second), "this process", name)
	lease, err := get[coordinationv1.Lease](t.Context(), conn, leases, namespaceName(name), lockName("lost"))
	must(t, err)
	var held lockholder.Process
	must(t, json.Unmarshal([]byte(lease.Annotations[annotationProcess]), &held))
	backend.holds.End(held.Hold)
	must(t, take("lost", time.Minute))
}
