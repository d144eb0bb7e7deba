package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Neighbours are what other runs have put into an enclave.
type Neighbours struct {
	// Services maps names to ports.
	Services map[string]map[string]plan.Port
	// Artifacts are names, sorted.
	Artifacts []string
}

// Neighbours tells what a run may borrow from others. An enclave that is not there has nothing.
func (e *Engine) Neighbours(ctx context.Context, enclaveName, run string) (*Neighbours, error) {
	found := &Neighbours{Services: map[string]map[string]plan.Port{}}
	snapshot, err := e.backend.Observe(ctx, enclaveName)
	if errors.Is(err, enclave.ErrNotFound) {
		return found, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for what other runs have in enclave %q: %w", enclaveName, err)
	}
	for name, service := range snapshot.Services {
		if service.Run == run || service.Task {
			continue
		}
		ports := map[string]plan.Port{}
		for id, port := range service.Ports {
			ports[id] = port.Port
		}
		found.Services[name] = ports
	}
	others, err := e.otherRecords(ctx, enclaveName, run)
	if err != nil {
		return nil, fmt.Errorf("look for what other runs have in enclave %q: %w", enclaveName, err)
	}
	names := map[string]bool{}
	for _, other := range others {
		for name := range other.Artifacts {
			names[name] = true
		}
	}
	found.Artifacts = sortedKeys(names)
	return found, nil
}

// neighbour is what this run took over from a service of another run. What it did not take does not count.
type neighbour struct {
	// ContainerID is set where instructions of this run worked on the service.
	ContainerID string `json:"container,omitempty"`
	IPAddress   string `json:"ip_address,omitempty"`
}

// meet notes what is taken over from a service of another run. The world must be locked.
func (w *world) meet(service *enclave.Service, take func(*neighbour)) {
	if service.Run == w.run {
		return
	}
	met := w.met[service.Name]
	take(&met)
	w.met[service.Name] = met
}

// neighbours gives what was taken over from services of other runs.
func (w *world) neighbours() map[string]neighbour {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return copyMap(w.met)
}

// has tells whether there is a service, of whichever run.
func (w *world) has(name string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if service := w.services[name]; service != nil {
		w.meet(service, func(*neighbour) {})
		return true
	}
	return w.skipped[name] != nil
}

// outdated tells, for people, what a run has taken over and what is not so any more, or what of its own is lost.
func outdated(run string, seen *observation, others []*record) []string {
	known := seen.record
	if known == nil || !known.Complete {
		return nil
	}
	var reasons []string
	for _, name := range sortedKeys(known.Neighbours) {
		before := known.Neighbours[name]
		service, found := seen.snapshot.Services[name]
		switch {
		case !found || service.Run == run:
			reasons = append(reasons, fmt.Sprintf("service %q of another run is missing", name))
		case before.ContainerID != "" && before.ContainerID != service.ID:
			reasons = append(reasons, fmt.Sprintf("service %q was replaced", name))
		case before.IPAddress != "" && service.IPAddress != "" && before.IPAddress != service.IPAddress:
			reasons = append(reasons, fmt.Sprintf("service %q has another address", name))
		}
	}
	for _, name := range sortedKeys(known.Borrowed) {
		digest := known.Borrowed[name]
		for _, other := range others {
			if now := other.Artifacts[name]; now != "" && now != digest {
				reasons = append(reasons, fmt.Sprintf("files artifact %q of another run changed", name))
			}
		}
	}
	for _, name := range sortedKeys(known.Artifacts) {
		if !slices.Contains(seen.stored, known.Artifacts[name]) {
			reasons = append(reasons, fmt.Sprintf("files artifact %q is missing", name))
		}
	}
	return reasons
}
