package plan

import "time"

// ServiceSpec is the desired state of one service. Strings marked [runtime] may hold runtime values.
type ServiceSpec struct {
	// Name is an RFC 1035 label of at most 63 characters; it is also the host name inside the enclave.
	Name  string
	Image Image
	// Ports by id (at most 15 characters).
	Ports map[string]Port
	// PublicPorts pins host ports by port id; only Number is used.
	PublicPorts map[string]Port
	// Files maps an absolute mount path to what is mounted there. A mount hides what the image has at that path.
	Files map[string]Mount
	// Entrypoint and Cmd replace the image's when they are not empty. [runtime]
	Entrypoint []string
	Cmd        []string
	// Env is the environment; values may hold runtime values. [runtime]
	Env map[string]string
	// VolatileEnv is environment that is set when the container is made but that is no reason to replace it:
	// credentials that change with every apply. It enters no digest, record, label or log.
	VolatileEnv map[string]string `json:"-"`
	// Aliases are further host names under which other services of the enclave reach this one, production's included.
	Aliases []string
	// IPPlaceholder is replaced by the service's own address in Entrypoint, Cmd and Env values.
	IPPlaceholder string
	// MaxCPU and MinCPU are in millicores, MaxMemory and MinMemory in megabytes (10^6 bytes); zero means no limit.
	MaxCPU, MinCPU, MaxMemory, MinMemory int64
	// Ready must hold before anything after the service in the plan happens.
	Ready *ReadyCondition
	// Labels of the package's author; keys under sundog.dev/ are refused earlier.
	Labels        map[string]string
	User          *User
	Tolerations   []Toleration
	NodeSelectors map[string]string
	// FilesToBeMoved moves a file to its final place after the mounts are filled (Compose single-file binds).
	FilesToBeMoved map[string]string
	// WorkingDir replaces the image's working directory when it is not empty.
	WorkingDir string `json:",omitempty"`
	// NoInit switches the init process (PID 1 that reaps) off.
	NoInit           bool
	TTY              bool
	Devices          []string
	PublishUDP       bool
	Capabilities     []string
	GPU              *GPU
	Privileged       bool
	HostPIDNamespace bool
	// BindMounts maps a host path to a container path; only what the language's gate let through arrives here.
	BindMounts map[string]string
}

// Image says where a service's image comes from; at most one of Build and Registry is set.
type Image struct {
	// Name is the reference to run, for a build the name that the result gets.
	Name     string
	Build    *Build
	Registry *RegistryCredentials
}

// Build is an image build from a context.
type Build struct {
	// Context is the content of the build context; BuildFile is relative to its root.
	Context     *FileTree
	BuildFile   string
	TargetStage string
	Args        map[string]string
}

// RegistryCredentials are credentials for one image's pull.
type RegistryCredentials struct {
	Registry string
	Username string
	Password string `json:"-"`
}

// Port is one port that a service listens on.
type Port struct {
	Number int
	// Transport is TCP, UDP or SCTP.
	Transport string
	// Application is the application protocol, for example "http"; empty when unknown.
	Application string
	// Wait bounds the time until the port must be open; zero means that it is not waited for.
	Wait time.Duration
	// URL as the author gave it; empty means derived from Application.
	URL string
}

// Mount is what stands at one path: files artifacts (expanded in order into one writable copy of the service's own), or
// a persistent directory.
type Mount struct {
	Artifacts []string
	// PersistentKey names a directory that outlives the service; it goes with the enclave.
	PersistentKey string
	// Seed names the files artifacts that a persistent directory holds when it is new. Another seed is no reason to touch a
	// service: the directory is not new any more.
	Seed []string `json:"-"`
	// SizeMB is the size of a persistent directory where the backend needs one.
	SizeMB int64
	// Lasting keeps what the service writes there through restarts, evictions and lost machines, until the service is replaced or
	// removed. Without it only what the backend keeps by itself is kept.
	Lasting bool `json:",omitempty"`
	// Owner is whose the files are. Without it they are the user's that the service's process runs as: User of the
	// service, else the image's. What is in a persistent directory already stays as it is.
	Owner *User `json:",omitempty"`
	// Mode holds the permission bits of files, zero for those that the artifact has. Whoever may read may enter folders
	// and run what can be run.
	Mode uint32 `json:",omitempty"`
}

// Mounted names the files artifacts that are needed for a mount.
func (m Mount) Mounted() []string {
	if m.PersistentKey != "" {
		return m.Seed
	}
	return m.Artifacts
}

// User is the user that a service's process runs as.
type User struct {
	UID int64
	GID *int64
}

// Toleration is a Kubernetes toleration.
type Toleration struct {
	Key, Operator, Value, Effect string
	Seconds                      *int64
}

// GPU asks for graphics processors.
type GPU struct {
	Count            int64 // -1 means all
	DeviceIDs        []string
	SharedMemoryMB   int64
	Ulimits          map[string]int64
	DockerDriver     string
	KubernetesDriver string
}
