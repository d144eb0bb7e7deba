package descriptor

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// ErrNoRecord tells that a fork has no record: it is not there.
var ErrNoRecord = errors.New("there is no record of the fork")

// ErrRecordExists tells that somebody has made the record before.
var ErrRecordExists = errors.New("the fork has a record already")

// RecordMeta is a fork's root: who it belongs to and the key of its secrets.
type RecordMeta struct {
	Fork      string
	Owner     string
	AccountID string
	CreatedAt time.Time
	// Key is random; passwords and keyed hashes are derived from it.
	Key []byte `json:",omitempty"`
	// Status, Findings and the like of the last apply, as JSON, for observing later.
	Summary string `json:",omitempty"`
}

// RecordEntry is what the fork made of one resource, or was about to make.
type RecordEntry struct {
	Key  string
	Body string
}

// RecordStore keeps records in the sandbox account.
type RecordStore interface {
	// Create makes the record of a fork; that it is there is what makes the fork this owner's, so it must be atomic.
	// ErrRecordExists: somebody was faster.
	Create(ctx context.Context, meta RecordMeta, tags map[string]string) error
	// Load reads a record whole. ErrNoRecord: there is none. A record that was cut short while it was made has no Key.
	Load(ctx context.Context, fork string) (RecordMeta, []RecordEntry, error)
	// PutMeta writes the root. The key of a record that has one is never replaced: the meta that holds is returned.
	PutMeta(ctx context.Context, meta RecordMeta) (RecordMeta, error)
	Put(ctx context.Context, fork string, entry RecordEntry) error
	Remove(ctx context.Context, fork, key string) error
	// Drop deletes the record; that it is gone already is success.
	Drop(ctx context.Context, fork string) error
}

// RecordStoreMaker makes a store with a configuration of the sandbox account.
type RecordStoreMaker func(aws.Config) RecordStore
