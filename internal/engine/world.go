package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// world is what is known of an enclave while a plan is compared with it or carried out. It starts as the observation
// and follows what is done. It is safe for concurrent use.
type world struct {
	run string

	mutex sync.Mutex
	// services of all runs by name, tasks included.
	services map[string]*enclave.Service
	// halfMade names services beside which an interrupted replacement stands.
	halfMade map[string]bool
	// skipped are services that did their part in an earlier apply and were removed, by name.
	skipped map[string]*serviceRecord
	images  map[string]enclave.Image
	// artifacts of the run by name, as far as the plan has come; borrowed ones are other runs'.
	artifacts map[string]string
	borrowed  map[string]string
	// met is what was taken over from services of other runs, by name.
	met map[string]neighbour
	// stored are the digests that the enclave holds.
	stored map[string]bool
	// results are the fields of what instructions returned, by producer.
	results map[string]map[string]any
	// unknown are producers whose results only an apply can tell; used by previews.
	unknown map[string]bool
}

func newWorld(run string, seen *observation) *world {
	w := &world{
		run: run, services: map[string]*enclave.Service{}, halfMade: map[string]bool{}, skipped: map[string]*serviceRecord{},
		images: map[string]enclave.Image{}, artifacts: map[string]string{}, borrowed: map[string]string{}, met: map[string]neighbour{},
		stored: map[string]bool{}, results: map[string]map[string]any{}, unknown: map[string]bool{},
	}
	for name, service := range seen.snapshot.Services {
		w.services[name] = &service
	}
	for i := range seen.snapshot.Extra {
		if seen.snapshot.Extra[i].Run == run {
			w.halfMade[seen.snapshot.Extra[i].Name] = true
		}
	}
	for _, digest := range seen.stored {
		w.stored[digest] = true
	}
	return w
}

func (w *world) service(name string) *enclave.Service {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.services[name]
}

// snapshot gives the services as far as this apply knows them.
func (w *world) snapshot() *enclave.Snapshot {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	known := &enclave.Snapshot{Services: map[string]enclave.Service{}}
	for name, service := range w.services {
		known.Services[name] = *service
	}
	return known
}

// setService notes a service as the backend gave it; nil forgets it.
func (w *world) setService(name string, service *enclave.Service) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.skipped, name)
	if service == nil {
		delete(w.services, name)
		return
	}
	w.services[name] = service
	delete(w.halfMade, name)
}

// skip notes that a service of an earlier apply need not be made again.
func (w *world) skip(name string, known *serviceRecord) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.skipped[name] = known
}

func (w *world) isSkipped(name string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.skipped[name] != nil
}

func (w *world) isHalfMade(name string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.halfMade[name]
}

// identity gives the container that stands, or stood, for a service.
func (w *world) identity(name string) (id string, err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if known := w.skipped[name]; known != nil {
		return known.ContainerID, nil
	}
	if service := w.services[name]; service != nil {
		w.meet(service, func(met *neighbour) { met.ContainerID = service.ID })
		return service.ID, nil
	}
	return "", &serviceError{name, fmt.Errorf("service %q: %w in the enclave", name, enclave.ErrNotFound)}
}

func (w *world) image(image plan.Image) (enclave.Image, bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	found, ok := w.images[imageKey(image)]
	return found, ok
}

// readyImages gives all images that were made ready, in an order that stays.
func (w *world) readyImages() []enclave.Image {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	ready := slices.Collect(maps.Values(w.images))
	slices.SortFunc(ready, func(a, b enclave.Image) int { return strings.Compare(a.Name, b.Name) })
	return ready
}

func (w *world) setImage(image plan.Image, ready enclave.Image) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.images[imageKey(image)] = ready
}

func (w *world) setArtifact(name, digest string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.artifacts[name] = digest
}

func (w *world) isStored(digest string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.stored[digest]
}

func (w *world) setStored(digest string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.stored[digest] = true
}

// artifactsOf gives the digests of the artifacts that a spec mounts.
func artifactsOf(spec *plan.ServiceSpec, find func(name string) (digest string, found bool)) (map[string]string, error) {
	digests := map[string]string{}
	for _, name := range mountedArtifacts(spec) {
		digest, ok := find(name)
		if !ok {
			return nil, fmt.Errorf("files artifact %q does not exist: make it by an instruction before it is mounted", name)
		}
		digests[name] = digest
	}
	return digests, nil
}

func (w *world) artifact(name string) (digest string, found bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if digest, found = w.artifacts[name]; !found {
		digest, found = w.borrowed[name]
	}
	return digest, found
}

func mountedArtifacts(spec *plan.ServiceSpec) []string {
	var names []string
	for _, path := range sortedKeys(spec.Files) {
		names = append(names, spec.Files[path].Mounted()...)
	}
	return names
}

// setResults notes what an instruction returned.
func (w *world) setResults(producer string, fields map[string]any) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.results[producer] = fields
	delete(w.unknown, producer)
}

func (w *world) setUnknown(producer string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.unknown[producer] = true
}

// Lookup implements plan.Values.
func (w *world) Lookup(value plan.RuntimeValue) (any, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.unknown[value.Producer] {
		return nil, &unknownValueError{value, "what gives it has not run yet"}
	}
	if fields, found := w.results[value.Producer]; found {
		if field, found := fields[value.Field]; found {
			return field, nil
		}
		return nil, &unknownValueError{value, fmt.Sprintf("%q has no such field", value.Producer)}
	}
	var hostname, address string
	if known := w.skipped[value.Producer]; known != nil {
		hostname, address = known.Hostname, known.IPAddress
	} else if service := w.services[value.Producer]; service != nil {
		hostname, address = service.Hostname, service.IPAddress
		w.meet(service, func(met *neighbour) {
			if value.Field == "ip_address" {
				met.IPAddress = address
			}
		})
	} else {
		return nil, &unknownValueError{value, fmt.Sprintf("nothing that ran before is called %q", value.Producer)}
	}
	switch value.Field {
	case "hostname":
		return hostname, nil
	case "ip_address":
		if address == "" {
			return nil, &unknownValueError{value, "the service has no address yet"}
		}
		return address, nil
	default:
		return nil, &unknownValueError{value, fmt.Sprintf("a service has no field %q", value.Field)}
	}
}
