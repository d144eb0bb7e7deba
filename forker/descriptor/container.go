package descriptor

import "time"

// Container is a stand-in or one of production's own services as a container.
type Container struct {
	// Key of the resource that it stands for.
	Key string
	// Name is an RFC 1035 label, and the host name inside the enclave.
	Name  string
	Image string
	// Entrypoint and Command replace the image's when they are not empty.
	Entrypoint []string
	Command    []string
	Env        map[string]string
	// VolatileEnv changes with every apply (credentials) and is no reason to replace the container.
	VolatileEnv map[string]string
	Ports       []ContainerPort
	// Aliases are further host names that it answers to inside the enclave, production's included.
	Aliases []string
	// Files maps a mount path to the files there (relative path -> content).
	Files map[string]map[string]string
	// Volumes maps a mount path to the key of a directory that outlives the container.
	Volumes map[string]string
	// Lasting are mount paths of directories that last as long as the container, wherever it has to be started again.
	Lasting []string
	User    string // "uid" or "uid:gid", empty for the image's
	// CPU is in millicores and Memory in megabytes; zero means no limit.
	CPU, Memory int64
	// Ready is a command that succeeds once the container is ready; empty: its ports are open.
	Ready        []string
	ReadyTimeout time.Duration
	// Steps are commands that run once after it is ready, again only if they or the container change.
	Steps []ContainerStep
}

// ContainerPort is one port of a container.
type ContainerPort struct {
	ID          string // RFC 1035 label of at most 15 characters
	Number      int
	Transport   string // TCP or UDP
	Application string // for example "http" or "postgresql"
	// NoWait leaves the port out of the readiness check.
	NoWait bool
}

// ContainerStep is one command inside a container.
type ContainerStep struct {
	Command     []string
	Description string
}

// Task is a container as a service's configuration describes it, before its environment points into the fork.
type Task struct {
	// Suffix tells a service's further containers apart from its main one, which has none.
	Suffix    string
	Container Container
	// Secrets maps variables to references (ARNs or names, with a selector behind) of values to resolve in the fork.
	Secrets map[string]string
	// RoleARN is production's role whose copy lends the container its credentials; empty: it gets none.
	RoleARN string
}

// StandInRequest asks for a stand-in.
type StandInRequest struct {
	// StandIn is the name that it is registered under, for example "postgres".
	StandIn string
	// Version is production's, for example "16.3".
	Version string
	// Host and Port are where production's answers.
	Host string
	Port int
	// Aliases are further host names of production's.
	Aliases []string
	// Database and User are the first database and its owner; empty: the stand-in's own defaults.
	Database string
	User     string

	// What follows is filled in by the forker.

	// Name of the container, and Image where a rule gives one.
	Name, Image string
	// Password of the owner, and Logins that other configurations use.
	Password string
	Logins   []Login
	// Seed is a script to run once, and SeedSource its name for messages.
	Seed, SeedSource string
}

// Login is a user of a stand-in that a connection string or a secret names.
type Login struct {
	User     string
	Password string
	// Database that it connects to; empty: the first.
	Database string
}

// StandIn makes containers that speak a managed service's protocol.
type StandIn struct {
	Name string
	// Port is where the stand-in answers inside the enclave.
	Port int
	// Container builds the container. It is pure.
	Container func(request StandInRequest) (Container, error)
	// Seeds tells whether it runs a seed script.
	Seeds bool
}
