// Package memory is an enclave.Backend that keeps everything in memory and runs nothing. It is for unit tests of the
// rooms that use a backend: what a container would do is told by hooks, every call is written down, and any call can be
// made to fail. It keeps the contract as far as that needs no process; enclavetest checks that.
package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// Call is one call of the backend.
type Call struct {
	// Method of enclave.Backend, for example "StartService".
	Method string
	// Enclave is empty for calls that concern none.
	Enclave string
	// Object is the service, record, artifact, lock or image, or empty.
	Object string
}

// String gives the call in one word, for example "StartService dev/api".
func (c Call) String() string {
	return strings.TrimRight(c.Method+" "+strings.Trim(c.Enclave+"/"+c.Object, "/"), " ")
}

// Hooks stand for what real containers would do; all may be left out. They are called without locks, so they may call
// the backend. They must be set before the first call.
type Hooks struct {
	// Before is asked before every call; its error becomes the call's.
	Before func(ctx context.Context, call Call) error
	// Start says how a service that is started turns out. Without it the service is running.
	Start func(enclave string, request enclave.ServiceRequest) Outcome
	// Exec runs a command. Without it every command ends with code 0 and no output.
	Exec func(ctx context.Context, enclave, service string, request enclave.ExecRequest) (*enclave.ExecResult, error)
	// Dial connects to a port of a running service. Without it one end of a pipe is given, whose other end echoes.
	Dial func(ctx context.Context, enclave, service, transport string, port int) (net.Conn, error)
	// CopyFrom gives the files of a path as a tar stream. Without it every path is missing.
	CopyFrom func(enclave, service, path string) (io.ReadCloser, error)
	// Logs gives what a service has printed. Without it that is nothing.
	Logs func(enclave, service string) string
	// Pull says whether an image can be pulled. Without it none can.
	Pull func(name string) bool
	// Capacity is what the machine has; its zero value means that nobody knows.
	Capacity enclave.Capacity
}

// Outcome is how the start of a service turns out. Its zero value is a service that runs.
type Outcome struct {
	// Err is the error of StartService; the service stays created.
	Err error
	// Exited tells that the process has ended, with Code.
	Exited      bool
	Code        int
	OutOfMemory bool
}

// Backend is an enclave.Backend in memory. Its zero value is not ready: use New.
type Backend struct {
	hooks Hooks

	mutex    sync.Mutex
	enclaves map[string]*state
	images   images
	calls    []Call
	counter  int
	changed  chan struct{} // closed and replaced whenever a lock is released
}

var (
	_ enclave.Backend  = (*Backend)(nil)
	_ enclave.Measured = (*Backend)(nil)
)

// state is one enclave.
type state struct {
	enclave   enclave.Enclave
	services  map[string]*service
	records   map[string][]byte
	artifacts map[string][]byte
	locks     map[string]*held
	reserved  map[string]int // host ports by service, port number and transport, kept when a service is replaced
}

// service is one service with what it was made of.
type service struct {
	enclave.Service
	request enclave.ServiceRequest
}

// held is one lock.
type held struct {
	holder string
	since  time.Time
}

// New makes an empty backend.
func New(hooks Hooks) *Backend {
	return &Backend{hooks: hooks, enclaves: map[string]*state{}, images: newImages(), changed: make(chan struct{})}
}

// Name implements enclave.Backend.
func (*Backend) Name() string { return "memory" }

// Calls gives all calls so far, in order, failed ones included.
func (b *Backend) Calls() []Call {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return slices.Clone(b.calls)
}

// Changes gives the calls that create, start, stop or remove services, in order, one text each.
func (b *Backend) Changes() []string {
	var changes []string
	for _, call := range b.Calls() {
		switch call.Method {
		case "CreateService", "StartService", "StopService", "RemoveService":
			changes = append(changes, call.String())
		}
	}
	return changes
}

// Kill makes the process of a service end with a code, as if it had crashed.
func (b *Backend) Kill(name, service string, code int) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.enclaves[name]; found != nil && found.services[service] != nil {
		found.services[service].State = enclave.StateExited
		found.services[service].ExitCode = code
	}
}

// Starve ends the process of a service as a kernel does that is out of memory.
func (b *Backend) Starve(name, service string) {
	b.Kill(name, service, 137)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.enclaves[name]; found != nil && found.services[service] != nil {
		found.services[service].OutOfMemory = true
	}
}

// Vanish removes a service behind everybody's back.
func (b *Backend) Vanish(name, service string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.enclaves[name]; found != nil {
		delete(found.services, service)
	}
}

// Request gives what a service was made of; false if there is no such service.
func (b *Backend) Request(name, service string) (enclave.ServiceRequest, bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.enclaves[name]; found != nil && found.services[service] != nil {
		return found.services[service].request, true
	}
	return enclave.ServiceRequest{}, false
}

// begin writes a call down and asks the hook.
func (b *Backend) begin(ctx context.Context, method, name, object string) error {
	call := Call{Method: method, Enclave: name, Object: object}
	b.mutex.Lock()
	b.calls = append(b.calls, call)
	b.mutex.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.hooks.Before != nil {
		return b.hooks.Before(ctx, call)
	}
	return nil
}

// find gives an enclave; the mutex is held.
func (b *Backend) find(name string) (*state, error) {
	found := b.enclaves[name]
	if found == nil {
		return nil, fmt.Errorf("enclave %q: %w", name, enclave.ErrNotFound)
	}
	return found, nil
}

// enter begins a call about an enclave and finds it. The mutex is held until done is called.
func (b *Backend) enter(ctx context.Context, method, name, object string) (found *state, done func(), err error) {
	if err := b.begin(ctx, method, name, object); err != nil {
		return nil, nil, err
	}
	b.mutex.Lock()
	if found, err = b.find(name); err != nil {
		b.mutex.Unlock()
		return nil, nil, err
	}
	return found, b.mutex.Unlock, nil
}

// Capacity implements enclave.Measured.
func (b *Backend) Capacity(ctx context.Context) (enclave.Capacity, error) {
	if err := b.begin(ctx, "Capacity", "", ""); err != nil {
		return enclave.Capacity{}, err
	}
	return b.hooks.Capacity, nil
}

// CreateEnclave implements enclave.Enclaves.
func (b *Backend) CreateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	if err := b.begin(ctx, "CreateEnclave", spec.Name, ""); err != nil {
		return nil, err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.enclaves[spec.Name]; found != nil {
		if err := checkOwner(found, spec); err != nil {
			return nil, err
		}
		return copyOf(found.enclave), nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	created := &state{
		enclave: enclave.Enclave{
			Backend: b.Name(), Name: spec.Name, Owner: spec.Owner, Network: "memory-" + spec.Name, Labels: maps.Clone(spec.Labels),
			CreatedAt: time.Now().UTC(), ExpiresAt: spec.ExpiresAt, Policy: spec.Policy, Key: key,
		},
		services: map[string]*service{}, records: map[string][]byte{}, artifacts: map[string][]byte{}, locks: map[string]*held{}, reserved: map[string]int{},
	}
	b.enclaves[spec.Name] = created
	return copyOf(created.enclave), nil
}

func checkOwner(found *state, spec enclave.Spec) error {
	if found.enclave.Owner == spec.Owner {
		return nil
	}
	return &enclave.OwnedError{Kind: "enclave", Name: spec.Name, Owner: found.enclave.Owner, CreatedAt: found.enclave.CreatedAt}
}

func copyOf(found enclave.Enclave) *enclave.Enclave {
	found.Labels, found.Key = maps.Clone(found.Labels), slices.Clone(found.Key)
	return &found
}

// UpdateEnclave implements enclave.Enclaves.
func (b *Backend) UpdateEnclave(ctx context.Context, spec enclave.Spec) (*enclave.Enclave, error) {
	found, done, err := b.enter(ctx, "UpdateEnclave", spec.Name, "")
	if err != nil {
		return nil, err
	}
	defer done()
	if err := checkOwner(found, spec); err != nil {
		return nil, err
	}
	found.enclave.Labels, found.enclave.ExpiresAt = maps.Clone(spec.Labels), spec.ExpiresAt
	if spec.Policy != nil {
		found.enclave.Policy = spec.Policy
	}
	return copyOf(found.enclave), nil
}

// Enclave implements enclave.Enclaves.
func (b *Backend) Enclave(ctx context.Context, name string) (*enclave.Enclave, error) {
	found, done, err := b.enter(ctx, "Enclave", name, "")
	if err != nil {
		return nil, err
	}
	defer done()
	return copyOf(found.enclave), nil
}

// ListEnclaves implements enclave.Enclaves.
func (b *Backend) ListEnclaves(ctx context.Context) ([]enclave.Enclave, error) {
	if err := b.begin(ctx, "ListEnclaves", "", ""); err != nil {
		return nil, err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	listed := []enclave.Enclave{}
	for _, found := range b.enclaves {
		listed = append(listed, *copyOf(found.enclave))
	}
	slices.SortFunc(listed, func(a, b enclave.Enclave) int { return cmp.Compare(a.Name, b.Name) })
	return listed, nil
}

// RemoveEnclave implements enclave.Enclaves.
func (b *Backend) RemoveEnclave(ctx context.Context, name string) error {
	if err := b.begin(ctx, "RemoveEnclave", name, ""); err != nil {
		return err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	delete(b.enclaves, name)
	b.announce()
	return nil
}

// announce wakes up everybody who waits for a lock; the mutex is held.
func (b *Backend) announce() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Observe implements enclave.Enclaves.
func (b *Backend) Observe(ctx context.Context, name string) (*enclave.Snapshot, error) {
	found, done, err := b.enter(ctx, "Observe", name, "")
	if err != nil {
		return nil, err
	}
	defer done()
	snapshot := &enclave.Snapshot{Enclave: *copyOf(found.enclave), Services: map[string]enclave.Service{}}
	for name, item := range found.services {
		snapshot.Services[name] = *item.copy()
	}
	return snapshot, nil
}

// Lock implements enclave.Enclaves.
func (b *Backend) Lock(ctx context.Context, name, lock, holder string) (unlock func(), err error) {
	if err := b.begin(ctx, "Lock", name, lock); err != nil {
		return nil, err
	}
	for {
		mine, current, changed, err := b.tryLock(name, lock, holder)
		if err != nil {
			return nil, err
		}
		if mine != nil {
			return sync.OnceFunc(func() { b.unlock(name, lock, mine) }), nil
		}
		select {
		case <-ctx.Done():
			return nil, &enclave.LockedError{Enclave: name, Name: lock, Holder: current.holder, Since: current.since, Err: ctx.Err()}
		case <-changed:
		}
	}
}

// LockHolder implements enclave.Enclaves.
func (b *Backend) LockHolder(ctx context.Context, name, lock string) (holder string, since time.Time, err error) {
	found, done, err := b.enter(ctx, "LockHolder", name, lock)
	if err != nil {
		return "", time.Time{}, err
	}
	defer done()
	if current := found.locks[lock]; current != nil {
		return current.holder, current.since, nil
	}
	return "", time.Time{}, fmt.Errorf("lock %q in enclave %q: %w", lock, name, enclave.ErrNotFound)
}

func (b *Backend) tryLock(name, lock, holder string) (mine *held, current held, changed <-chan struct{}, err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found, err := b.find(name)
	if err != nil {
		return nil, held{}, nil, err
	}
	if other := found.locks[lock]; other != nil {
		return nil, *other, b.changed, nil
	}
	mine = &held{holder: holder, since: time.Now()}
	found.locks[lock] = mine
	return mine, *mine, nil, nil
}

func (b *Backend) unlock(name, lock string, mine *held) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := b.enclaves[name]; found != nil && found.locks[lock] == mine {
		delete(found.locks, lock)
		b.announce()
	}
}
