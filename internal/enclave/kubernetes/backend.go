// Package kubernetes runs enclaves on Kubernetes: a namespace for each, with a Service and a Job for every service in it.
package kubernetes

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/lockholder"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/registry"
)

// Options configure a backend.
type Options struct {
	// Cluster says where the cluster is and who we are there.
	Cluster Cluster
	// StorageClass of persistent directories; empty means the cluster's default.
	StorageClass string
	// StorageSizeMB is the size of a persistent directory for which the package names none; 0 means 1024.
	StorageSizeMB int64
	// AccessMode of persistent directories; empty means ReadWriteOnce.
	AccessMode string
	// ArtifactStorageMB is the size of the volume that keeps an enclave's large files artifacts; 0 means 10240. It is made
	// when the first of them is stored.
	ArtifactStorageMB int64
	// Expose says how ports are exposed in enclaves that do not say themselves: ExposeNone or another enclave.ExposureMode,
	// which the further fields describe.
	Expose string
	// NodeAddress is where node ports are reached; empty means the address of a node that the cluster tells.
	NodeAddress  string
	LoadBalancer *enclave.LoadBalancer
	Ingress      *enclave.Ingress
	Gateway      *enclave.Gateway
	// PullSecrets names the Secrets by which nodes pull images: of the enclave's namespace, or as namespace/name, which are
	// copied for as long as a service needs them. Nil means the user's Docker configuration; none at all is an empty list.
	PullSecrets []string
	// Logins are the user's credentials for registries; the zero value means those of the user's Docker configuration.
	Logins registry.Logins
	// Builder builds images; nil means that none can be built.
	Builder enclave.ImageBuilder
	// ImageRegistry begins the names under which built images are pushed.
	ImageRegistry string
	// ImageLoadCommand loads an image archive, whose path is added to it, into the nodes, where there is no ImageRegistry.
	ImageLoadCommand []string
	// Silence is how long the holder of a lock may be silent before the lock is taken over; 0 means 30 seconds.
	Silence time.Duration
	// Logger receives what is worth knowing; nil means silence.
	Logger *slog.Logger
}

// Values of Options.Expose.
const (
	ExposeNone     = ""
	ExposeNodePort = string(enclave.ExposeNodePort)
)

// Backend is the enclave.Backend on Kubernetes.
type Backend struct {
	options Options
	logger  *slog.Logger
	silence time.Duration

	connecting sync.Once
	connected  *connection
	failure    error

	tunnels tunnels
	// storing is held while the store of an enclave is brought up.
	storing sync.Mutex
	// partsKept is how many Secrets an artifact may take before it goes into the store.
	partsKept int
	pods      lookouts
	agents    agents
	nodes     nodeFacts
	holds     lockholder.Holds
	// logins are the user's credentials by registry, named those of Secrets.
	logins, named freshEntries
	// loading is held while an image is loaded into the nodes, loaded are those that this process has loaded.
	loading sync.Mutex
	loaded  map[string]bool
}

var (
	_ enclave.Backend = (*Backend)(nil)
	_ enclave.Spread  = (*Backend)(nil)
)

// New prepares a backend; it connects when it is first used.
func New(options Options) *Backend {
	backend := &Backend{options: options, logger: options.Logger, silence: options.Silence, partsKept: mostParts}
	if backend.logger == nil {
		backend.logger = slog.New(slog.DiscardHandler)
	}
	if backend.silence == 0 {
		backend.silence = defaultSilence
	}
	return backend
}

// startsAtOnce is how many services of a batch are started at the same time: it is the nodes that start them.
const startsAtOnce = 50

// StartsAtOnce implements enclave.Spread.
func (b *Backend) StartsAtOnce() int { return startsAtOnce }

// Name implements enclave.Backend.
func (b *Backend) Name() string { return "kubernetes" }

func (b *Backend) connect() (*connection, error) {
	b.connecting.Do(func() { b.connected, b.failure = newConnection(b.options.Cluster) })
	return b.connected, b.failure
}

// Close ends all connections.
func (b *Backend) Close() error {
	b.tunnels.close()
	b.pods.close()
	if b.connected != nil {
		b.connected.http.CloseIdleConnections()
	}
	return nil
}

// detachedTime bounds clean-ups that must not end with their caller's context.
const detachedTime = 20 * time.Second

func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), detachedTime)
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
