package docker

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// TestDockerMakesAContainerAgainWhoseProcessTheEngineHasLost stands before the engine and says what one says that was killed
// while it started a container.
func TestDockerMakesAContainerAgainWhoseProcessTheEngineHasLost(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	images := enclavetest.BuildImages(t, direct)
	name := makeEnclave(t, direct)
	lost := ""
	killed := newGate(t, direct, 0, nil)
	killed.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		id, found := strings.CutSuffix(r.URL.Path, "/start")
		if id = id[strings.LastIndex(id, "/")+1:]; !found || lost != "" && lost != id {
			return false
		}
		lost = id
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"message": "task %s: already exists"}`, id)
		return true
	}
	must(t, createAndStart(t.Context(), New(Options{Host: killed.Host}), name, serviceRequest(t, direct, images.Service)))
	service, err := direct.Service(t.Context(), name, "api")
	must(t, err)
	if service.State != enclave.StateRunning || service.ID == lost {
		t.Errorf("the service is %+v", service)
	}
}

// TestDockerRunsWithoutAnInitProgram stands before the engine and says what an engine says that has no docker-init.
func TestDockerRunsWithoutAnInitProgram(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	images := enclavetest.BuildImages(t, direct)
	name := makeEnclave(t, direct)
	var refusals atomic.Int32
	poor := newGate(t, direct, 0, nil)
	poor.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/start") || refusals.Load() > 0 {
			return false
		}
		refusals.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"message": "exec: \"docker-init\": executable file not found in $PATH"}`)
		return true
	}
	backend := New(Options{Host: poor.Host})
	request := serviceRequest(t, direct, images.Service)
	must(t, createAndStart(t.Context(), backend, name, request))
	if first := exec1(t, direct, name, "api", "init"); first != "service" {
		t.Errorf("the first process is %q, want the service itself", first)
	}
	// Once known, it is not tried again.
	request.Spec.Name = "second"
	must(t, createAndStart(t.Context(), backend, name, request))
	if first := exec1(t, direct, name, "second", "init"); first != "service" {
		t.Errorf("the first process is %q, want the service itself", first)
	}
	if refusals.Load() != 1 {
		t.Errorf("the engine refused %d times, want once", refusals.Load())
	}
}
