// Package docker runs enclaves on a Docker Engine (API 1.41, Docker 20.10, and later).
//
// An enclave is a bridge network with a fixed subnet, notes, which are volumes that say in their labels what Sundog has to
// remember, and a "store", a container that is never started and whose file system holds artifacts. Everything else is
// found by label. The package keeps nothing between calls
// and never decides what an enclave should hold: that is the engine's part.
package docker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
)

// backendName is the name of this kind of backend in ids and configurations.
const backendName = "docker"

// Options of a backend; all may be left out.
type Options struct {
	// Host is the engine's address, for example unix:///var/run/docker.sock. Empty means: DOCKER_HOST, then the context
	// that the Docker CLI uses (DOCKER_CONTEXT or its configuration), then the platform's socket.
	Host string
	// HostFrom says where Host was set, for errors; without it, it is the provider block.
	HostFrom string
	// Logger receives what is worth knowing but stops nothing; nil discards it.
	Logger *slog.Logger
	// Subnets is where enclaves' networks get their subnets from; its zero value means the engine's own pools.
	Subnets SubnetPool
	// Logins are the credentials for registries; the zero value means those of the user's Docker configuration.
	Logins registry.Logins
}

// Backend is an enclave.Backend on one Docker Engine. It is safe for concurrent use.
type Backend struct {
	logger  *slog.Logger
	connect func() (*connection, error)
	pool    SubnetPool
	logins  registry.Logins
	// routes tells what this machine reaches by itself; tests put others in its place.
	routes func() ([]route, error)
	// records serialises writers of one record within this process; across processes the engine's lock does.
	records keyedMutex
	// small remembers small artifacts, imageUsers which user an image's process runs as.
	small      smallCache
	imageUsers sync.Map
	// prepared keeps two services from preparing the same artifact at the same time.
	prepared keyedMutex
	// seeding keeps a persistent directory from being filled while a service that mounts it starts.
	seeding keyedMutex
	// withoutInit is set once the engine has told that it has no init binary.
	withoutInit atomic.Bool
	holds       lockholder.Holds
	// silence is how long the holder of a lock may be silent; tests shorten it.
	silence time.Duration
}

var _ enclave.Backend = (*Backend)(nil)

// connection is the shared client and what is known about where it leads to.
type connection struct {
	*client.Client
	endpoint endpoint
	// platform is asked once: it does not change while an engine runs.
	platform func(ctx context.Context) (platform, error)
	// info is what the engine tells of itself, asked once.
	info func(ctx context.Context) (system.Info, error)
	// builder is the builder to use, asked once too.
	builder func(ctx context.Context) (build.BuilderVersion, error)
	// What follows saves calls and is no memory: an answer is shared only by those who were waiting for it.
	containers shared[[]container.Summary]
	volumes    sync.Map // of *shared[[]volume.Volume], by enclave
	states     sync.Map // of *shared[*enclaveState], by enclave
	notes      sync.Map // of *shared[*noteList], by enclave
}

// New makes a backend. It neither connects nor fails: a wrong host shows at the first call.
func New(options Options) *Backend {
	backend := &Backend{logger: options.Logger, silence: defaultSilence, pool: options.Subnets, logins: options.Logins, routes: machineRoutes}
	if backend.logger == nil {
		backend.logger = slog.New(slog.DiscardHandler)
	}
	backend.connect = sync.OnceValues(func() (*connection, error) {
		endpoint, err := chooseEndpoint(options.Host, options.HostFrom)
		if err != nil {
			return nil, &enclave.UnreachableError{Endpoint: endpoint.Host, Chosen: endpoint.Chosen, Err: err}
		}
		api, err := endpoint.client()
		if err != nil {
			return nil, &enclave.UnreachableError{Endpoint: endpoint.Host, Chosen: endpoint.Chosen, Err: err}
		}
		conn := &connection{Client: api, endpoint: endpoint}
		conn.platform = rememberSuccess(conn.askPlatform)
		conn.info = rememberSuccess(conn.askInfo)
		conn.builder = rememberSuccess(conn.askBuilder)
		return conn, nil
	})
	return backend
}

// Name implements enclave.Backend.
func (b *Backend) Name() string { return backendName }

// Close ends idle connections to the engine. The backend must not be used afterwards.
func (b *Backend) Close() error {
	conn, err := b.connect()
	if err != nil {
		// There was never a connection to close.
		return nil //nolint:nilerr // A connection that could not be made needs no closing.
	}
	return conn.Close()
}

// platform is what an engine runs.
type platform struct{ OS, Architecture string }

func (c *connection) askPlatform(ctx context.Context) (platform, error) {
	version, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return platform{}, fmt.Errorf("ask the engine for its platform: %w", c.translate(err))
	}
	return platform{OS: version.Os, Architecture: version.Arch}, nil
}

// rememberSuccess calls ask until it succeeds once, and repeats that answer ever after.
func rememberSuccess[T any](ask func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mutex sync.Mutex
	var known bool
	var answer T
	return func(ctx context.Context) (T, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if known {
			return answer, nil
		}
		value, err := ask(ctx)
		if err == nil {
			answer, known = value, true
		}
		return value, err
	}
}

// keyedMutex is one mutex for each key; the zero value is ready.
type keyedMutex struct{ mutexes sync.Map }

func (m *keyedMutex) lock(key string) (unlock func()) {
	value, _ := m.mutexes.LoadOrStore(key, new(sync.Mutex))
	mutex, _ := value.(*sync.Mutex)
	mutex.Lock()
	return mutex.Unlock
}
