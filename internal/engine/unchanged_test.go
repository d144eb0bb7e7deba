package engine

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Somebody who adds a method to the Backend has to say here whether a look may call it.
func TestLookingBackendRefusesEveryChange(t *testing.T) {
	t.Parallel()
	looks := []string{
		"Artifact", "CopyFrom", "Enclave", "ListArtifacts", "ListEnclaves", "ListRecords", "LockHolder", "Logs", "Name", "Observe", "Record",
		"RegistryDigest", "ResolvedImage", "Service",
	}
	// EnsureImage is refused only where it is more than a look.
	changes := []string{
		"CreateEnclave", "CreateService", "Dial", "EnsureImage", "Exec", "Lock", "PutArtifact", "RemoveArtifacts", "RemoveEnclave", "RemoveRecord",
		"RemoveService", "StartService", "StopService", "UpdateEnclave", "WriteRecord",
	}
	ctx, cancel := context.WithCancel(t.Context())
	looking := reflect.ValueOf(&lookingBackend{refused: cancel})
	for method := range reflect.TypeFor[enclave.Backend]().Methods() {
		name := method.Name
		switch {
		case slices.Contains(looks, name):
			continue
		case !slices.Contains(changes, name):
			t.Errorf("%s: is it a look or a change? lookingBackend must refuse the latter", name)
			continue
		}
		call := looking.MethodByName(name)
		arguments := make([]reflect.Value, call.Type().NumIn())
		for i := range arguments {
			arguments[i] = reflect.Zero(call.Type().In(i))
		}
		if name == "EnsureImage" {
			arguments[1] = reflect.ValueOf(plan.Image{Build: &plan.Build{}})
		}
		results := call.Call(arguments)
		if err, _ := reflect.TypeAssert[error](results[len(results)-1]); !errors.Is(err, errChange) {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
	if ctx.Err() == nil {
		t.Error("whoever waits for an effect must hear of a refusal")
	}
}

// An apply with nothing to do must not wait for one that is under way, and one that has something to do must.
func TestApplyWaitsOnlyIfThereIsSomethingToDo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	before := planOf(add("db"))
	h.apply(before)
	unlock, err := h.backend.Lock(t.Context(), testEnclave, lockOf(testRun), "another one")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	h.apply(before)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.engine.Apply(ctx, h.request(planOf(add("db"), add("api"))))
	if err == nil {
		t.Fatal("an apply that makes a service went on although another one holds the lock")
	}
	same(t, "services", h.serviceNames(), []string{"db"})
}

// What was looked at in vain leaves no trace: neither changes nor events of things that did not happen.
func TestLookingInVainTellsNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.apply(planOf(add("db")))
	h.mutex.Lock()
	h.events = nil
	h.mutex.Unlock()
	_, changes, _ := h.apply(planOf(add("db"), add("api")))
	same(t, "changes", changes, []string{"CreateService dev/api", "StartService dev/api"})
	h.mutex.Lock()
	defer h.mutex.Unlock()
	created := 0
	for _, event := range h.events {
		if event.Status == "failed" {
			t.Errorf("an event tells of a failure: %+v", event)
		}
		if event.Step == "create" && event.Status == "started" {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d events tell that a service is made, want one", created)
	}
}

func (h *harness) serviceNames() []string {
	h.Helper()
	snapshot, err := h.backend.Observe(h.Context(), testEnclave)
	if err != nil {
		h.Fatal(err)
	}
	return sortedKeys(snapshot.Services)
}
