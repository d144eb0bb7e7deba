package docker

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

func TestDockerConforms(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	images := enclavetest.BuildImages(t, backend)
	images.Unprivileged = enclavetest.BuildUnprivileged(t, backend, images)
	enclavetest.Run(t, backend, images)
}

func TestDockerObservesWithAConstantNumberOfCalls(t *testing.T) {
	t.Parallel()
	direct := dockerBackend(t)
	images := enclavetest.BuildImages(t, direct)
	name := makeEnclave(t, direct)
	counter := newGate(t, direct, 0, nil)
	backend := New(Options{Host: counter.Host})
	observe := func() int64 {
		before := counter.requests.Load()
		_, err := backend.Observe(t.Context(), name)
		must(t, err)
		return counter.requests.Load() - before
	}
	empty := observe()
	for _, service := range []string{"one", "two", "three"} {
		request := serviceRequest(t, direct, images.Service)
		request.Spec.Name = service
		_, err := direct.CreateService(t.Context(), name, request)
		must(t, err)
	}
	if full := observe(); full != empty || full > 3 {
		t.Errorf("observing took %d calls for no service and %d for three, want the same and at most 3", empty, full)
	}
}

func TestDockerKeepsSecretsOutOfLabels(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	images := enclavetest.BuildImages(t, backend)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service)
	request.Spec.Env = map[string]string{"PASSWORD": "hunter2"}
	request.Spec.VolatileEnv = map[string]string{"TOKEN": "hunter2"}
	request.Spec.Cmd = append(request.Spec.Cmd, "-lines", "hunter2")
	request.Spec.Labels = map[string]string{"team": "shop"}
	created, err := backend.CreateService(t.Context(), name, request)
	must(t, err)
	containers, err := connectionOf(t, backend).containersOf(t.Context(), ofEnclave(name), ofService("api"))
	must(t, err)
	if len(containers) != 1 || containers[0].ID != created.ID {
		t.Fatalf("got %d containers", len(containers))
	}
	labels := containers[0].Labels
	for key, value := range labels {
		if value == "hunter2" {
			t.Errorf("label %s holds a secret", key)
		}
	}
	if labels["team"] != "shop" || labels[enclave.LabelManagedBy] != enclave.ManagedBy || labels[enclave.LabelRole] != roleService {
		t.Errorf("labels are %v", labels)
	}
}

func TestDockerStartsPersistentDirectoriesWithTheImagesFiles(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	images := enclavetest.BuildImages(t, backend)
	name := makeEnclave(t, backend)
	request := serviceRequest(t, backend, images.Service)
	request.Spec.Files = map[string]plan.Mount{"/seed": {PersistentKey: "store"}}
	must(t, createAndStart(t.Context(), backend, name, request))
	if text := exec1(t, backend, name, "api", "cat", "/seed/from-image"); text != "of the image" {
		t.Errorf("got %q, want the image's file", text)
	}
}

func TestDockerNamesForeignersInItsNetwork(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	images := enclavetest.BuildImages(t, backend)
	name := makeEnclave(t, backend)
	conn := connectionOf(t, backend)
	foreigner := createForeigner(t, conn, images.Service, networkName(name), name+"-foreigner")
	mentions(t, backend.RemoveEnclave(t.Context(), name), name, networkName(name), name+"-foreigner", "docker network disconnect")
	must(t, conn.removeContainer(t.Context(), foreigner))
	must(t, backend.RemoveEnclave(t.Context(), name))
}

func TestDockerTellsItsCapacity(t *testing.T) {
	t.Parallel()
	has, err := dockerBackend(t).Capacity(t.Context())
	must(t, err)
	if has.MilliCPU < 1000 || has.MemoryMB < 64 {
		t.Errorf("the engine's machine has %+v", has)
	}
}

// Two processes see each other's notes at once, whatever their size, and each note stands in one volume.
func TestDockerNotes(t *testing.T) {
	t.Parallel()
	one, other := dockerBackend(t), dockerBackend(t)
	name := makeEnclave(t, one)
	noise := make([]byte, 2*largestLabel) // What is random cannot be packed.
	_, err := rand.Read(noise)
	must(t, err)
	for i, text := range []string{"1", string(noise), "3", "", string(noise[1:])} {
		writer := []*Backend{one, other}[i%2]
		must(t, writer.WriteRecord(t.Context(), name, "runs/shop", []byte(text)))
		for _, reader := range []*Backend{one, other} {
			got, err := reader.Record(t.Context(), name, "runs/shop")
			must(t, err)
			if string(got) != text {
				t.Errorf("the record has %d bytes, want the %d that were written as version %d", len(got), len(text), i+1)
			}
		}
	}
	volumes, err := connectionOf(t, one).noteVolumes(t.Context(), name)
	must(t, err)
	if len(volumes) != 2 {
		t.Errorf("there are %d volumes of notes, want one of the record and one of the enclave", len(volumes))
	}
}

// `docker container prune` takes the store, `docker volume prune` the notes: the next apply makes both again.
func TestDockerSurvivesPruning(t *testing.T) {
	t.Parallel()
	backend := dockerBackend(t)
	conn := connectionOf(t, backend)
	name := reserveEnclave(t, backend)
	spec := enclave.Spec{Name: name, Owner: testOwner}
	created, err := backend.CreateEnclave(t.Context(), spec)
	must(t, err)
	put := func() {
		t.Helper()
		unlock, err := backend.Lock(t.Context(), name, "run/shop", "a test")
		must(t, err)
		defer unlock()
		must(t, backend.PutArtifact(t.Context(), name, "digest", func(w io.Writer) error { return tar.NewWriter(w).Close() }))
		stored, err := backend.ListArtifacts(t.Context(), name)
		must(t, err)
		if len(stored) != 1 {
			t.Errorf("artifacts are %q, want one", stored)
		}
	}
	put()
	must(t, backend.WriteRecord(t.Context(), name, "runs/shop", []byte("1")))
	must(t, conn.removeContainer(t.Context(), storeName(name)))
	stored, err := backend.ListArtifacts(t.Context(), name)
	must(t, err)
	if len(stored) != 0 {
		t.Errorf("artifacts are %q after the store was removed", stored)
	}
	put()
	record, err := backend.Record(t.Context(), name, "runs/shop")
	must(t, err)
	if string(record) != "1" {
		t.Errorf("the record is %q", record)
	}

	must(t, conn.removeAllNotes(t.Context(), name))
	if _, err := backend.Enclave(t.Context(), name); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got %v without notes, want that the enclave is not there", err)
	}
	again, err := backend.CreateEnclave(t.Context(), spec)
	must(t, err)
	if bytes.Equal(again.Key, created.Key) {
		t.Error("the key of before is still known from somewhere")
	}
	put()
}
