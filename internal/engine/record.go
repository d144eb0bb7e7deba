package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// recordVersion is the format of run records. A record of a later format is refused rather than misread.
const recordVersion = 1

const recordPrefix = "runs/"

func recordName(run string) string { return recordPrefix + run }

// record is what a run has made or was about to make. It is kept beside the services, never only in our memory, and it
// is the one place where values that commands returned are kept, as these may be secrets.
type record struct {
	Version   int       `json:"version"`
	Run       string    `json:"run"`
	Owner     string    `json:"owner"`
	CreatedAt time.Time `json:"created_at"`
	// Complete tells that the last apply came to its end.
	Complete bool `json:"complete"`
	// Failure is why it did not, as it was told, without known secrets.
	Failure string `json:"failure,omitempty"`
	// Intents are services that were about to be made, with the digest that they were to get.
	Intents   map[string]string         `json:"intents,omitempty"`
	Services  map[string]*serviceRecord `json:"services,omitempty"`
	Steps     map[string]*stepRecord    `json:"steps,omitempty"`
	Artifacts map[string]string         `json:"artifacts,omitempty"`
	// Images are what the names of images were resolved to, by the keys that a digester gives them.
	Images map[string]*imageRecord `json:"images,omitempty"`
	// Pending are digests of contents that were about to be stored or are out of date, until the end of the next apply
	// that succeeds. Borrowed are other runs' artifacts that services of this run mount, by name. No other run may remove
	// any of them.
	Pending  []string          `json:"pending,omitempty"`
	Borrowed map[string]string `json:"borrowed,omitempty"`
	// Once are instructions that ran and are to run only once in the enclave, by the digest of their wording. They stay on
	// record when they leave the plan, and when the run is removed.
	Once map[string]*stepRecord `json:"once,omitempty"`
	// Verified are digests of the comparisons that held.
	Verified []string `json:"verified,omitempty"`
	// Neighbours are services of other runs that this run works with, as they were.
	Neighbours map[string]neighbour `json:"neighbours,omitempty"`
	// Removed tells that nothing is left of the run but what has to be kept in mind.
	Removed bool       `json:"removed,omitempty"`
	Output  typedValue `json:"output"`
}

// fate is how the plan leaves a service.
type fate string

const (
	fateRunning fate = "running"
	fateStopped fate = "stopped"
	fateRemoved fate = "removed"
)

// serviceRecord is what is known of one service that the run has brought to its plan.
type serviceRecord struct {
	Digest string `json:"digest"`
	// Parts holds short keyed digests of the parts of the spec, so that a replacement's reason can be told.
	Parts map[string]string `json:"parts,omitempty"`
	// ContainerID is the container that was made or kept.
	ContainerID string `json:"container"`
	// Readiness is the digest of the waits and conditions that held for that container; empty while they do not.
	Readiness string `json:"readiness,omitempty"`
	Hostname  string `json:"hostname,omitempty"`
	IPAddress string `json:"ip_address,omitempty"`
	Fate      fate   `json:"fate"`
	// Removing tells that an instruction of the plan has begun to remove it.
	Removing bool `json:"removing,omitempty"`
	// Place in the order of the plan: that of the instruction that adds it, counted from 1.
	Place int `json:"place,omitempty"`
	// Completed tells that the process ended with code 0 during an apply and is expected to have ended.
	Completed bool `json:"completed,omitempty"`
	// Failed tells that the start failed; the container was kept for inspection.
	Failed bool `json:"failed,omitempty"`
}

// stepRecord is one imperative instruction that was carried out.
type stepRecord struct {
	Digest string            `json:"digest"`
	Parts  map[string]string `json:"parts,omitempty"`
	// Values are the instruction's result fields.
	Values map[string]typedValue `json:"values,omitempty"`
	// Artifacts maps the names of the files artifacts that it made to their digests.
	Artifacts map[string]string `json:"artifacts,omitempty"`
	// Trigger is what stood for the triggers when it ran.
	Trigger string `json:"trigger,omitempty"`
}

// imageRecord is what an image's name was resolved to. It never changes; another resolution replaces it.
type imageRecord struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	// Digest is the reference by which the image's registry has it, if one does.
	Digest string `json:"digest,omitempty"`
}

// hasImage tells whether an image of that name was resolved, of whatever input.
func (r *record) hasImage(name string) bool {
	for _, known := range r.Images {
		if known.Name == name {
			return true
		}
	}
	return false
}

// fields gives the results as runtime values.
func (s *stepRecord) fields() map[string]any {
	fields := make(map[string]any, len(s.Values))
	for field, value := range s.Values {
		fields[field] = value.value
	}
	return fields
}

func newRecord(run, owner string, now time.Time) *record {
	return &record{
		Version: recordVersion, Run: run, Owner: owner, CreatedAt: now.UTC().Truncate(time.Second),
		Intents: map[string]string{}, Services: map[string]*serviceRecord{}, Steps: map[string]*stepRecord{}, Artifacts: map[string]string{},
		Once: map[string]*stepRecord{}, Neighbours: map[string]neighbour{}, Images: map[string]*imageRecord{},
	}
}

// contents gives the digests of all contents that the run needs.
func (r *record) contents() map[string]bool {
	digests := map[string]bool{}
	for _, digest := range r.Pending {
		digests[digest] = true
	}
	for _, digest := range r.Artifacts {
		digests[digest] = true
	}
	for _, digest := range r.Borrowed {
		digests[digest] = true
	}
	for _, steps := range []map[string]*stepRecord{r.Steps, r.Once} {
		for _, step := range steps {
			for _, digest := range step.Artifacts {
				digests[digest] = true
			}
		}
	}
	return digests
}

// failureBytes bounds what is kept of a failure.
const failureBytes = 8 << 10

// noteFailure keeps why a run did not come to its end. One that was refused before anything was touched changes nothing.
func (r *record) noteFailure(text string) {
	if r.Complete {
		return
	}
	if len(text) > failureBytes {
		text = strings.ToValidUTF8(text[:failureBytes], "") + "…"
	}
	r.Failure = text
}

// outdate keeps in mind that a content is to be removed at the end.
func (r *record) outdate(digest string) {
	if digest != "" && !slices.Contains(r.Pending, digest) {
		r.Pending = append(r.Pending, digest)
	}
}

func (r *record) encode() ([]byte, error) {
	content, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the record of run %q: %w", r.Run, err)
	}
	return content, nil
}

func decodeRecord(run string, content []byte) (*record, error) {
	decoded := newRecord(run, "", time.Time{})
	if err := json.Unmarshal(content, decoded); err != nil {
		return nil, fmt.Errorf("read the record of run %q: %w", run, err)
	}
	if decoded.Version > recordVersion {
		return nil, fmt.Errorf("the record of run %q has format %d, and this version of Sundog knows formats up to %d: use the version that wrote it, or a later one", run, decoded.Version, recordVersion)
	}
	return decoded, nil
}

// readRecord gives nil for a run that has none.
func readRecord(ctx context.Context, backend enclave.Backend, name, run string) (*record, error) {
	content, err := backend.Record(ctx, name, recordName(run))
	if errors.Is(err, enclave.ErrNotFound) {
		return nil, nil //nolint:nilnil // Having none is an ordinary answer.
	}
	if err != nil {
		return nil, err
	}
	return decodeRecord(run, content)
}

// typedValue keeps the types of runtime values through JSON: integers stay integers of any size, floats stay floats.
type typedValue struct{ value any }

// MarshalJSON writes floats so that they are told from integers.
func (v typedValue) MarshalJSON() ([]byte, error) { return json.Marshal(markFloats(v.value)) }

// UnmarshalJSON reads numbers with a point or an exponent as floats and others as integers.
func (v *typedValue) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var raw any
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	value, err := fromJSON(raw)
	v.value = value
	return err
}
