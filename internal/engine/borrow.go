package engine

import (
	"context"
	"maps"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// borrow finds the artifacts that a spec mounts and that another run of the enclave has made.
func (x *execution) borrow(ctx context.Context, spec *plan.ServiceSpec) error {
	return x.borrowNames(ctx, mountedArtifacts(spec))
}

func (x *execution) borrowNames(ctx context.Context, names []string) error {
	found := map[string]string{}
	var others []*record
	for _, name := range names {
		if _, known := x.world.artifact(name); known {
			continue
		}
		if others == nil {
			var err error
			if others, err = x.engine.otherRecords(ctx, x.request.Enclave, x.request.Run); err != nil {
				return err
			}
		}
		for _, other := range others {
			if digest := other.Artifacts[name]; digest != "" {
				found[name] = digest
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	unlock, err := x.engine.lock(ctx, x.request.Enclave, lockArtifacts, x.request.Owner)
	if err != nil {
		return err
	}
	defer unlock()
	err = x.store.now(ctx, func(r *record) {
		if r.Borrowed == nil {
			r.Borrowed = map[string]string{}
		}
		maps.Copy(r.Borrowed, found)
	})
	x.world.mutex.Lock()
	defer x.world.mutex.Unlock()
	maps.Copy(x.world.borrowed, found)
	return err
}

// otherRecords reads the records of all other runs of an enclave.
func (e *Engine) otherRecords(ctx context.Context, enclaveName, run string) ([]*record, error) {
	names, err := e.backend.ListRecords(ctx, enclaveName, recordPrefix)
	if err != nil {
		return nil, err
	}
	records := []*record{}
	for _, name := range names {
		other := strings.TrimPrefix(name, recordPrefix)
		if other == run {
			continue
		}
		found, err := readRecord(ctx, e.backend, enclaveName, other)
		if err != nil {
			return nil, err
		}
		if found != nil {
			records = append(records, found)
		}
	}
	return records, nil
}

// dropContents removes stored contents that no other run needs.
func (e *Engine) dropContents(ctx context.Context, enclaveName, run, owner string, digests []string) error {
	if len(digests) == 0 {
		return nil
	}
	unlock, err := e.lock(ctx, enclaveName, lockArtifacts, owner)
	if err != nil {
		return err
	}
	defer unlock()
	others, err := e.otherRecords(ctx, enclaveName, run)
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, other := range others {
		for digest := range other.contents() {
			needed[digest] = true
		}
	}
	var unneeded []string
	for _, digest := range digests {
		if !needed[digest] {
			unneeded = append(unneeded, digest)
		}
	}
	if len(unneeded) == 0 {
		return nil
	}
	return e.backend.RemoveArtifacts(ctx, enclaveName, unneeded)
}
