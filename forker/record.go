package forker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/session"
	"github.com/sundog-dev/terraform-provider-sundog/forker/services"
)

// Phases of a record's entry.
const (
	phaseIntent = "intent" // about to be made: it may be there or not
	phaseMade   = "made"   // the shell is there
	phaseReady  = "ready"  // it is as Written says
	phaseNone   = "none"   // nothing is made for it in the account
)

// entry is what a fork made of one resource, or was about to make.
type entry struct {
	Key        string
	Service    string
	Type       string
	SourceName string
	SourceARN  string
	Strategy   Strategy
	Reason     string
	Phase      string
	// Name, ARN, Region and Values of the copy.
	Name   string                     `json:",omitempty"`
	ARN    string                     `json:",omitempty"`
	Region string                     `json:",omitempty"`
	Values map[descriptor.Form]string `json:",omitempty"`
	// Container tells that a container of that name stands for it.
	Container bool `json:",omitempty"`
	// SourceDigest and Config are production's configuration that the copy follows; Config holds keyed hashes where
	// values may be secret.
	SourceDigest string
	Config       any `json:",omitempty"`
	// Absent tells that the name was free when the intent was written.
	Absent bool `json:",omitempty"`
	// Written is a keyed hash of what was last written, Data one of the request for data that was last carried out.
	Written string `json:",omitempty"`
	Data    string `json:",omitempty"`
	// Problem is what went wrong the last time, in words; empty when all is well.
	Problem  string    `json:",omitempty"`
	Findings []Finding `json:",omitempty"`
}

// record is a fork's record while it is worked with. It is safe for concurrent use.
type record struct {
	store descriptor.RecordStore
	meta  descriptor.RecordMeta

	mutex   sync.Mutex
	entries map[string]entry
	bodies  map[string]string
}

// store makes the store of records.
func (f *Forker) store(ctx context.Context) (descriptor.RecordStore, error) {
	if err := f.needSandbox(); err != nil {
		return nil, err
	}
	return session.Write(ctx, f.sandbox, f.homeRegion(), func(config aws.Config) descriptor.RecordStore {
		return services.NewRecordStore(config)
	})
}

// loadRecord reads a fork's record and checks its owner. ErrNotFound: there is no such fork.
func (f *Forker) loadRecord(ctx context.Context, fork string) (*record, error) {
	store, err := f.store(ctx)
	if err != nil {
		return nil, err
	}
	meta, stored, err := store.Load(ctx, fork)
	if errors.Is(err, descriptor.ErrNoRecord) {
		return nil, fmt.Errorf("fork %q in account %s: %w", fork, f.options.Sandbox.AccountID, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if meta.Owner != f.options.Owner {
		return nil, &OwnedError{Fork: fork, Owner: meta.Owner, AccountID: f.options.Sandbox.AccountID, CreatedAt: meta.CreatedAt}
	}
	loaded := &record{store: store, meta: meta, entries: map[string]entry{}, bodies: map[string]string{}}
	for _, one := range stored {
		var decoded entry
		if err := json.Unmarshal([]byte(one.Body), &decoded); err != nil {
			return nil, fmt.Errorf("read the entry of %s in the record of fork %q: %w", one.Key, fork, err)
		}
		loaded.entries[one.Key] = decoded
		loaded.bodies[one.Key] = one.Body
	}
	return loaded, nil
}

// openRecord loads a fork's record or makes it, which is what makes the fork ours.
func (f *Forker) openRecord(ctx context.Context, fork string) (*record, error) {
	loaded, err := f.loadRecord(ctx, fork)
	if err == nil && len(loaded.meta.Key) > 0 {
		return loaded, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a key for fork %q: %w", fork, err)
	}
	meta := descriptor.RecordMeta{
		Fork: fork, Owner: f.options.Owner, AccountID: f.options.Sandbox.AccountID, CreatedAt: time.Now().UTC().Truncate(time.Second), Key: key,
	}
	if loaded != nil {
		// The one who made it was stopped before it had a key.
		meta.CreatedAt = loaded.meta.CreatedAt
		if loaded.meta, err = loaded.store.PutMeta(ctx, meta); err != nil {
			return nil, err
		}
		return loaded, nil
	}
	store, err := f.store(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.Create(ctx, meta, f.tags(fork, "")); err != nil && !errors.Is(err, descriptor.ErrRecordExists) {
		return nil, err
	}
	// Reading it again tells who won, if somebody else made it at the same moment.
	loaded, err = f.loadRecord(ctx, fork)
	if err != nil {
		return nil, err
	}
	if len(loaded.meta.Key) == 0 {
		if loaded.meta, err = store.PutMeta(ctx, meta); err != nil {
			return nil, err
		}
	}
	return loaded, nil
}

// tags of everything that a fork makes.
func (f *Forker) tags(fork, sourceARN string) map[string]string {
	tags := map[string]string{
		descriptor.TagManagedBy: descriptor.ManagedBy, descriptor.TagFork: fork, descriptor.TagOwner: f.options.Owner,
	}
	if sourceARN != "" {
		sum := sha256.Sum256([]byte(sourceARN))
		tags[descriptor.TagSource] = hex.EncodeToString(sum[:])[:32]
	}
	return tags
}

// ours tells whether a copy's tags say that this fork made it, for this source.
func ours(tags, wanted map[string]string) bool {
	for _, name := range []string{descriptor.TagManagedBy, descriptor.TagFork, descriptor.TagSource} {
		if tags[name] != wanted[name] || wanted[name] == "" {
			return false
		}
	}
	return true
}

func (r *record) get(key string) (entry, bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	found, ok := r.entries[key]
	return found, ok
}

// all gives the entries, sorted by key.
func (r *record) all() []entry {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	entries := make([]entry, 0, len(r.entries))
	for _, key := range slices.Sorted(maps.Keys(r.entries)) {
		entries = append(entries, r.entries[key])
	}
	return entries
}

// put writes an entry, unless the record holds exactly that already.
func (r *record) put(ctx context.Context, changed entry) error {
	body, err := json.Marshal(changed)
	if err != nil {
		return fmt.Errorf("encode the record of %s: %w", changed.Key, err)
	}
	r.mutex.Lock()
	same := r.bodies[changed.Key] == string(body)
	r.mutex.Unlock()
	if same {
		return nil
	}
	if err := r.store.Put(ctx, r.meta.Fork, descriptor.RecordEntry{Key: changed.Key, Body: string(body)}); err != nil {
		return err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.entries[changed.Key] = changed
	r.bodies[changed.Key] = string(body)
	return nil
}

func (r *record) remove(ctx context.Context, key string) error {
	if err := r.store.Remove(ctx, r.meta.Fork, key); err != nil {
		return err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.entries, key)
	delete(r.bodies, key)
	return nil
}

// derive makes a secret of the fork's own: stable for a label, and not to be had without the record.
func (r *record) derive(label string) string {
	return keyedHash(r.meta.Key, label)[:32]
}
