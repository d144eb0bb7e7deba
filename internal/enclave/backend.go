// Package enclave says what a backend can do: the Backend interface and the types it speaks in. The backends
// themselves live in its sub-packages; nothing here knows Docker or Kubernetes.
package enclave

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Backend runs enclaves. Implementations hold no state between calls: everything is found again by label. All methods
// honour their context, are safe for concurrent use, and connect lazily. Names of enclaves, services and runs are
// checked by the caller (see names.go).
type Backend interface {
	// Name is the backend's kind: "docker" or "kubernetes".
	Name() string

	Enclaves
	Services
	Images
	Artifacts
	Records
}

// Enclaves makes, finds and removes enclaves.
type Enclaves interface {
	// CreateEnclave makes an enclave and every object that it needs. It is idempotent for one owner: a half-made
	// enclave of the same owner is completed, a whole one returned. One of another owner is a *OwnedError.
	CreateEnclave(ctx context.Context, spec Spec) (*Enclave, error)
	// UpdateEnclave changes labels, expiry and policy, and how ports are exposed: what is there already follows, and no service
	// is touched.
	UpdateEnclave(ctx context.Context, spec Spec) (*Enclave, error)
	// Enclave finds one by name; ErrNotFound if there is none.
	Enclave(ctx context.Context, name string) (*Enclave, error)
	// ListEnclaves lists all enclaves with Sundog's labels, sorted by name.
	ListEnclaves(ctx context.Context) ([]Enclave, error)
	// RemoveEnclave removes everything that carries the enclave's label. An enclave that is not there is success. An
	// error names what remains.
	RemoveEnclave(ctx context.Context, name string) error
	// Observe gives one snapshot of an enclave by a constant number of calls; ErrNotFound if there is none.
	Observe(ctx context.Context, name string) (*Snapshot, error)
	// Lock takes a named lock inside an enclave. It waits while the holder is alive, until ctx ends (then the error is
	// a *LockedError naming the holder), and takes over the lock of a dead holder. Unlock is safe to call twice and
	// works on a detached context.
	Lock(ctx context.Context, enclave, name, holder string) (unlock func(), err error)
	// LockHolder tells who holds a lock at the moment and since when, so that whoever waits can say so; ErrNotFound if
	// nobody does. It does not ask whether the holder is alive.
	LockHolder(ctx context.Context, enclave, name string) (holder string, since time.Time, err error)
}

// Services makes and uses the services of an enclave.
type Services interface {
	// CreateService makes a service without starting it, files in place (plan.Mount tells whose they are). If one of the
	// same run and name exists it is replaced. Host name, address and host ports stay as they were, also where the service
	// was removed meanwhile. One of another run is a *OwnedError that names the run.
	CreateService(ctx context.Context, enclave string, request ServiceRequest) (*Service, error)
	// StartService starts a created or stopped service and returns once the process has been started. Where the backend
	// publishes ports on a machine, a fixed one that is taken is an error that names who holds it.
	StartService(ctx context.Context, enclave, service string) (*Service, error)
	// StopService asks the process to end, then kills it; files, name and address stay.
	StopService(ctx context.Context, enclave, service string) error
	// RemoveService removes a service and its writable files. Persistent directories stay. Missing is success.
	RemoveService(ctx context.Context, enclave, service string) error
	// Service finds one service; ErrNotFound if there is none.
	Service(ctx context.Context, enclave, service string) (*Service, error)
	// Exec runs a command without a shell in a running service. A command that could not be run at all is a *CommandError.
	Exec(ctx context.Context, enclave, service string, request ExecRequest) (*ExecResult, error)
	// CopyFrom streams a path of a service (running or stopped) as a tar archive: the contents of a directory at the
	// archive's root, or the one file under its base name.
	CopyFrom(ctx context.Context, enclave, service, path string) (io.ReadCloser, error)
	// Logs streams stdout and stderr, oldest first.
	Logs(ctx context.Context, enclave, service string, options LogOptions) (io.ReadCloser, error)
	// Dial connects to a port of a service. Success means that the service itself accepted the connection. Transport is
	// "tcp" or "udp".
	Dial(ctx context.Context, enclave, service, transport string, port int) (net.Conn, error)
}

// Images brings images to where services can use them.
type Images interface {
	// EnsureImage pulls or builds an image according to the policy. Missing images are an *ImageError.
	EnsureImage(ctx context.Context, image plan.Image, policy ImagePolicy) (*Image, error)
	// ResolvedImage gives an image as EnsureImage has resolved it before, by its ID, whatever its name means by now. It
	// asks no registry. ErrNotFound if it is not there any more.
	ResolvedImage(ctx context.Context, image Image) (*Image, error)
	// RegistryDigest asks the image's registry, and pulls nothing: the digest that the name stands for there, in the form
	// of Image.Digest. ErrNotFound if the backend or the registry cannot tell.
	RegistryDigest(ctx context.Context, image plan.Image) (string, error)
}

// Artifacts keeps files artifacts by content: equal content is stored once for an enclave, and prepared once for all
// services that mount it. Artifacts may be far larger than memory, so contents are streamed.
type Artifacts interface {
	// PutArtifact stores the tar stream under its digest; a digest that is there already is left alone and content may
	// stay unread. What was cut off is not there. Content is called once at most.
	PutArtifact(ctx context.Context, enclave, digest string, content func(io.Writer) error) error
	// Artifact streams a stored artifact as tar; ErrNotFound if there is none.
	Artifact(ctx context.Context, enclave, digest string) (io.ReadCloser, error)
	// ListArtifacts lists stored digests, sorted.
	ListArtifacts(ctx context.Context, enclave string) ([]string, error)
	// RemoveArtifacts removes stored artifacts; missing ones are success.
	RemoveArtifacts(ctx context.Context, enclave string, digests []string) error
}

// Records keeps small documents beside the services: what a run has made or was about to make.
type Records interface {
	// WriteRecord replaces a record atomically. Name is an RFC 1035 label or labels joined by "/" .
	WriteRecord(ctx context.Context, enclave, name string, content []byte) error
	// Record reads one; ErrNotFound if there is none.
	Record(ctx context.Context, enclave, name string) ([]byte, error)
	// ListRecords lists names with the given prefix, sorted.
	ListRecords(ctx context.Context, enclave, prefix string) ([]string, error)
	// RemoveRecord removes one; missing is success.
	RemoveRecord(ctx context.Context, enclave, name string) error
}

// Spec is what an enclave should be.
type Spec struct {
	Name  string
	Owner string
	// Labels of the user, already checked (CheckLabels).
	Labels map[string]string
	// ExpiresAt is zero for an enclave that lives until it is removed.
	ExpiresAt time.Time
	// Policy is nil where what the enclave has is to stay as it is; a new one then has none.
	Policy *Policy
	// Exposure of ports; nil where what the enclave has is to stay as it is. Backends without a choice ignore it.
	Exposure *Exposure
}

// Enclave is an existing enclave.
type Enclave struct {
	Backend   string
	Name      string
	Owner     string
	Network   string // the network's or namespace's name
	Labels    map[string]string
	CreatedAt time.Time
	ExpiresAt time.Time
	// Policy is what holds, whatever was asked for; nil where the backend knows none, or was not asked for one enclave.
	Policy *Policy
	// Exposure is what was asked for this enclave; nil if nothing was.
	Exposure *Exposure
	// Key is the enclave's random key (32 bytes) for keyed digests. It is kept beside the services.
	Key []byte
}

// ID is how the enclave is referred to in configurations: backend/name.
func (e *Enclave) ID() string { return e.Backend + "/" + e.Name }

// Snapshot is an enclave as it was at one moment.
type Snapshot struct {
	Enclave  Enclave
	Services map[string]Service
	// Extra holds services whose name another one of Services bears too (half-made replacements); they are to be removed.
	Extra []Service
}

// State is a service's state in the vocabulary that users see.
type State string

// The states of a service.
const (
	StateCreated  State = "created"
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateStopped  State = "stopped"
	StateExited   State = "exited"
	StateRemoving State = "removing"
)

// Service is an existing service.
type Service struct {
	Name   string
	Run    string
	Owner  string
	Digest string
	// ID is the backend's identifier of the container; it changes when the service is replaced.
	ID      string
	Image   string // as asked for
	ImageID string // as resolved
	State   State
	// ExitCode is meaningful in StateExited; OutOfMemory tells that the kernel killed it.
	ExitCode    int
	OutOfMemory bool
	Hostname    string
	IPAddress   string
	// Ports by id.
	Ports     map[string]PublishedPort
	Aliases   []string
	CreatedAt time.Time
	StartedAt time.Time
	// EndedAt is when its process ended last, the present one or the one before; zero where that is not known, or where no log is
	// kept of a process that has ended.
	EndedAt time.Time
	// Task marks containers of tasks, which are no services to a user.
	Task bool
}

// NotRunning is the error of whatever needs a service that runs: it says why this one does not.
func (s *Service) NotRunning() error {
	switch {
	case s.OutOfMemory:
		return fmt.Errorf("the service is not running: it ran out of memory and was killed, exit code %d", s.ExitCode)
	case s.State == StateExited:
		return fmt.Errorf("the service is not running: it has exited with code %d", s.ExitCode)
	default:
		return fmt.Errorf("the service is not running: its state is %s", s.State)
	}
}

// PublishedPort is a port and how it is reached from the user's machine.
type PublishedPort struct {
	plan.Port
	// Host and HostPort are empty and zero when the port is not published (yet).
	Host     string
	HostPort int
	// Secure tells that TLS ends on the way to a service that does not speak it itself.
	Secure bool
}

// ServiceRequest asks for a service. The spec's runtime values are resolved already.
type ServiceRequest struct {
	Run    string
	Owner  string
	Digest string
	Spec   plan.ServiceSpec
	// Image as EnsureImage returned it.
	Image Image
	// Artifacts maps the name of each mounted artifact to the digest under which it is stored.
	Artifacts map[string]string
	Task      bool
}

// ImagePolicy says when an image is pulled.
type ImagePolicy string

// The image policies.
const (
	ImageMissing ImagePolicy = "missing"
	ImageAlways  ImagePolicy = "always"
	ImageNever   ImagePolicy = "never"
)

// Image is an image that is ready to use.
type Image struct {
	Name string
	ID   string // content identifier
	// Digest is the reference name@digest by which the image's registry has this content; empty where it has none.
	Digest string
	// Moved tells that Name means another image by now, so that only ID stands for this one.
	Moved bool
	// Unresolved tells that the image's registry could not be asked what Name means by now.
	Unresolved bool
	// Origin is "local", "pulled" or "built".
	Origin string
	// Policy under which the image was asked for. It matters where nodes pull images when a service starts.
	Policy ImagePolicy
	// Warnings, for example an architecture other than the host's.
	Warnings []string
}

// ExecRequest is one command.
type ExecRequest struct {
	Command []string
	Env     map[string]string
	// User, as a name or number with an optional group after a colon, and WorkingDir are those of the service where they
	// are empty. A backend that has no way to change them refuses with errors.ErrUnsupported.
	User       string
	WorkingDir string
	Stdin      io.Reader
	// Output receives stdout and stderr in the order in which they come. Stdout and Stderr receive them apart; where one
	// of these two is set and the other is not, the other's text is dropped. If any of the three is set
	// ExecResult.Output stays empty.
	Output         io.Writer
	Stdout, Stderr io.Writer
	// Terminal gives the command a terminal. All that it writes is one stream then, and goes to Output or Stdout.
	Terminal *Terminal
}

// Title names the command in errors by its first word: the others may hold secrets.
func (r *ExecRequest) Title() string {
	if len(r.Command) == 0 {
		return "an empty command"
	}
	return fmt.Sprintf("%q", r.Command[0])
}

// Terminal is the terminal of one command.
type Terminal struct {
	// Size at the beginning; zero leaves it to the backend.
	Size TerminalSize
	// Resizes tells later sizes. It may be nil, and it may be closed.
	Resizes <-chan TerminalSize
}

// TerminalSize is a terminal's size in characters.
type TerminalSize struct{ Width, Height int }

// ExecResult is how a command ended.
type ExecResult struct {
	Code   int
	Output string
}

// LogOptions selects log lines.
type LogOptions struct {
	// Tail is the number of last lines; 0 means all.
	Tail   int
	Follow bool
	Since  time.Time
	// Timestamps puts the time of each line (RFC 3339 with nanoseconds) and a blank before it.
	Timestamps bool
}
