package docker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// stateRecord is what is noted of the enclave itself. Labels of Docker objects cannot be changed once they are made, so
// what a user may change stands here.
type stateRecord struct {
	Owner     string            `json:"owner"`
	Key       []byte            `json:"key"`
	Labels    map[string]string `json:"labels,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	ExpiresAt time.Time         `json:"expires_at,omitzero"`
	// Removed tells that the removal of the enclave has begun.
	Removed bool `json:"removed,omitempty"`
}

const (
	stateEnclave = "enclave" // the record's note below folderState
	noteEnclave  = folderState + "/" + stateEnclave
)

// lockCreation is the lock of whoever makes an enclave.
const lockCreation = "create"

// keySize is the size of an enclave's key in bytes.
const keySize = 32

// CreateEnclave implements enclave.Enclaves.
func (b *Backend) CreateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	state, err := conn.observeState(ctx, spec.Name)
	if err == nil {
		existing := &state.enclave
		if existing.Owner != spec.Owner {
			return nil, &enclave.OwnedError{Kind: "enclave", Name: spec.Name, Owner: existing.Owner, CreatedAt: existing.CreatedAt}
		}
		found, err := conn.storeAndLocks(ctx, spec.Name)
		if err == nil {
			err = b.removeDeadLocks(ctx, conn, found)
		}
		if err == nil {
			err = conn.removeNetworkTwins(ctx, spec.Name, state.networks)
		}
		return existing, err
	}
	if !errors.Is(err, enclave.ErrNotFound) {
		return nil, err
	}
	// Two networks may bear the same name in Docker, so only one process at a time makes an enclave.
	unlock, err := b.acquire(ctx, conn, spec.Name, lockCreation, "the creation of the enclave by "+spec.Owner)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := conn.checkOwner(ctx, spec); err != nil {
		return nil, err
	}
	if err := b.completeEnclave(ctx, conn, spec); err != nil {
		return nil, fmt.Errorf("create enclave %q: %w", spec.Name, err)
	}
	return conn.enclave(ctx, spec.Name)
}

// checkOwner refuses a half-made enclave of somebody else.
func (c *connection) checkOwner(ctx context.Context, spec enclave.Spec) error {
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(ofEnclave(spec.Name))})
	if err != nil {
		return fmt.Errorf("look for enclave %q: %w", spec.Name, c.translate(err))
	}
	for _, item := range networks.Items {
		if owner := item.Labels[enclave.LabelOwner]; owner != spec.Owner {
			return &enclave.OwnedError{Kind: "enclave", Name: spec.Name, Owner: owner, CreatedAt: item.Created}
		}
	}
	stores, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: withLabels(ofEnclave(spec.Name), ofRole(roleStore))})
	if err != nil {
		return fmt.Errorf("look for enclave %q: %w", spec.Name, c.translate(err))
	}
	for _, item := range stores.Items {
		if owner := item.Labels[enclave.LabelOwner]; owner != spec.Owner {
			return &enclave.OwnedError{Kind: "enclave", Name: spec.Name, Owner: owner, CreatedAt: time.Unix(item.Created, 0)}
		}
	}
	return nil
}

// completeEnclave makes what is missing of an enclave, each step only if it is not done yet.
func (b *Backend) completeEnclave(ctx context.Context, conn *connection, spec enclave.Spec) error {
	if err := b.completeStore(ctx, conn, spec); err != nil {
		return err
	}
	// Neither is found without the other, so it does not matter which comes first.
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := b.completeNetwork(ctx, conn, spec.Name, spec.Owner); err != nil {
			return fmt.Errorf("make its network: %w", err)
		}
		return nil
	})
	group.Go(func() error { return b.completeState(ctx, conn, spec) })
	return group.Wait()
}

// completeStore makes the enclave's store unless it is there. What is left of a removal that was cut off goes first: it has
// lost a part of its data.
func (b *Backend) completeStore(ctx context.Context, conn *connection, spec enclave.Spec) error {
	doomed, err := conn.isDoomed(ctx, spec.Name)
	if err != nil {
		return err
	}
	if doomed {
		err = b.removeContents(ctx, conn, spec.Name, func(role string) bool { return role == roleStore || role == roleLock })
		if err == nil {
			err = conn.removeAllNotes(ctx, spec.Name)
		}
		if err == nil {
			err = conn.removeContainers(ctx, spec.Name, func(role string) bool { return role != roleStore })
		}
		if err != nil {
			return fmt.Errorf("finish a removal that was cut off: %w", err)
		}
	}
	labels := objectLabels(spec.Name, roleStore, map[string]string{enclave.LabelOwner: spec.Owner})
	if _, err := conn.createFromEmpty(ctx, storeName(spec.Name), labels); err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("make its store: %w", conn.translate(err))
	}
	return nil
}

// completeState notes the enclave's record unless it is there.
func (b *Backend) completeState(ctx context.Context, conn *connection, spec enclave.Spec) error {
	before, err := conn.allNotes(ctx, spec.Name)
	if err != nil || before.isThere() {
		return err
	}
	record := stateRecord{Owner: spec.Owner, Key: make([]byte, keySize), Labels: spec.Labels, CreatedAt: time.Now().UTC(), ExpiresAt: spec.ExpiresAt}
	if _, err := rand.Read(record.Key); err != nil {
		return fmt.Errorf("make its key: %w", err)
	}
	content, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode the record of enclave %q: %w", spec.Name, err)
	}
	return conn.putNotes(ctx, spec.Name, before, []note{{noteEnclave, content}})
}

func (b *Backend) writeState(ctx context.Context, conn *connection, name string, record stateRecord) error {
	content, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode the record of enclave %q: %w", name, err)
	}
	defer b.records.lock(name)()
	return conn.writeNotes(ctx, name, note{noteEnclave, content})
}

// readState gives what is noted of an enclave; ErrNotFound if it is not there.
func (c *connection) readState(ctx context.Context, name string) (*stateRecord, error) {
	content, _, err := c.readNote(ctx, name, noteEnclave)
	if err != nil {
		return nil, err
	}
	return decodeState(name, content)
}

func decodeState(name string, content []byte) (*stateRecord, error) {
	var record stateRecord
	if err := json.Unmarshal(content, &record); err != nil {
		return nil, fmt.Errorf("read the record of enclave %q: %w", name, err)
	}
	return &record, nil
}

// UpdateEnclave implements enclave.Enclaves.
func (b *Backend) UpdateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	existing, err := conn.enclave(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	if existing.Owner != spec.Owner {
		return nil, &enclave.OwnedError{Kind: "enclave", Name: spec.Name, Owner: existing.Owner, CreatedAt: existing.CreatedAt}
	}
	record := stateRecord{Owner: existing.Owner, Key: existing.Key, Labels: spec.Labels, CreatedAt: existing.CreatedAt, ExpiresAt: spec.ExpiresAt}
	if err := b.writeState(ctx, conn, spec.Name, record); err != nil {
		return nil, fmt.Errorf("update enclave %q: %w", spec.Name, err)
	}
	existing.Labels, existing.ExpiresAt = maps.Clone(spec.Labels), spec.ExpiresAt
	return existing, nil
}

// Enclave implements enclave.Enclaves.
func (b *Backend) Enclave(ctx context.Context, name string) (*enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	return conn.enclave(ctx, name)
}

// ListEnclaves implements enclave.Enclaves.
func (b *Backend) ListEnclaves(ctx context.Context) ([]enclave.Enclave, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	networks, err := conn.NetworkList(ctx, client.NetworkListOptions{Filters: withLabels(ofSundog(), ofRole(roleNetwork))})
	if err != nil {
		return nil, fmt.Errorf("list enclaves: %w", conn.translate(err))
	}
	enclaves := []enclave.Enclave{}
	for _, item := range networks.Items {
		found, err := conn.enclave(ctx, item.Labels[enclave.LabelEnclave])
		if errors.Is(err, enclave.ErrNotFound) {
			// Half made, or removed just now.
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list enclaves: %w", err)
		}
		enclaves = append(enclaves, *found)
	}
	slices.SortFunc(enclaves, func(a, b enclave.Enclave) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(enclaves, func(a, b enclave.Enclave) bool { return a.Name == b.Name }), nil
}

// enclave finds a whole enclave.
func (c *connection) enclave(ctx context.Context, name string) (*enclave.Enclave, error) {
	state, err := c.observeState(ctx, name)
	if err != nil {
		return nil, err
	}
	return &state.enclave, nil
}

// enclaveState is what network and notes tell of an enclave.
type enclaveState struct {
	enclave enclave.Enclave
	// network is the enclave's own of networks, which are several where a creation that was cut off brought one more.
	network  network.Summary
	networks []network.Summary
	// stopped maps services to the ID of the container that StopService has stopped.
	stopped map[string]string
	// used maps keys of persistent directories to the marks of the volumes that were used.
	used map[string]string
	// places are those of services that did not get the one that hangs on their name.
	places map[string]place
}

// observeState asks for network and notes at the same time. A half-made enclave is not there: CreateEnclave completes
// it.
func (c *connection) observeState(ctx context.Context, name string) (*enclaveState, error) {
	var networks client.NetworkListResult
	var files map[string][]byte
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		networks, err = c.NetworkList(groupContext, client.NetworkListOptions{Filters: withLabels(ofEnclave(name), ofRole(roleNetwork))})
		return c.translate(err)
	})
	group.Go(func() (err error) {
		files, err = c.readNotes(groupContext, name, folderState)
		if errors.Is(err, enclave.ErrNotFound) {
			return nil
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("look for enclave %q: %w", name, err)
	}
	stopped, used, places := map[string]string{}, map[string]string{}, map[string][]byte{}
	for file, content := range files {
		if rest, found := strings.CutPrefix(file, stateStopped+"/"); found {
			stopped[rest] = string(content)
		}
		if rest, found := strings.CutPrefix(file, stateUsed+"/"); found {
			used[rest] = string(content)
		}
		if rest, found := strings.CutPrefix(file, statePlaces+"/"); found {
			places[rest] = content
		}
	}
	content, found := files[stateEnclave]
	if len(networks.Items) == 0 || !found {
		return nil, noEnclave(name)
	}
	record, err := decodeState(name, content)
	if err != nil {
		return nil, err
	}
	if record.Removed {
		return nil, noEnclave(name)
	}
	return &enclaveState{
		enclave: enclave.Enclave{
			Backend: backendName, Name: name, Owner: record.Owner, Network: networkName(name), Labels: record.Labels,
			CreatedAt: record.CreatedAt, ExpiresAt: record.ExpiresAt, Key: record.Key,
		},
		network: oldestNetwork(networks.Items), networks: networks.Items, stopped: stopped, used: used, places: readPlaces(places),
	}, nil
}

// containersOf lists all containers that carry the labels, those that do not run included.
func (c *connection) containersOf(ctx context.Context, labels ...string) ([]container.Summary, error) {
	result, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: withLabels(labels...)})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", c.translate(err))
	}
	return result.Items, nil
}
