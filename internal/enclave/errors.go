package enclave

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotFound tells that the object is not there, as opposed to "could not ask".
var ErrNotFound = errors.New("not found")

// ErrRestartEngine is that an engine is at odds with itself until it is restarted.
var ErrRestartEngine = errors.New("restart the engine, then repeat this")

// UnreachableError tells that a backend could not be asked at all.
type UnreachableError struct {
	Endpoint string // for example unix:///var/run/docker.sock
	Chosen   string // why this endpoint: "docker.host in the provider block", "DOCKER_HOST", "the CLI's current context", ...
	Remedy   string // what can be done about it, where that is not what is done about a Docker Engine
	Err      error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach the engine at %s (chosen by %s): %v", e.Endpoint, e.Chosen, e.Err)
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// OwnedError tells that an object belongs to somebody else: another owner, or another run of the same enclave.
type OwnedError struct {
	Kind      string // "enclave", "service" or "run"
	Name      string
	Owner     string // the owner's id, or empty when Run tells
	Run       string
	CreatedAt time.Time
}

func (e *OwnedError) Error() string {
	if e.Run != "" {
		return fmt.Sprintf("%s %q belongs to the run %q", e.Kind, e.Name, e.Run)
	}
	return fmt.Sprintf("%s %q belongs to the owner %q and was made at %s", e.Kind, e.Name, e.Owner, e.CreatedAt.UTC().Format(time.RFC3339))
}

// LockedError tells who holds a lock.
type LockedError struct {
	Enclave, Name string
	Holder        string
	Since         time.Time
	Err           error
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%q in enclave %q is in use by %s since %s: %v", e.Name, e.Enclave, e.Holder, e.Since.UTC().Format(time.RFC3339), e.Err)
}

// Unwrap gives the cause.
func (e *LockedError) Unwrap() error { return e.Err }

// ImageError tells that an image is not to be had.
type ImageError struct {
	Image  string
	Action string // "pull", "build" or "find"
	Err    error
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("cannot %s image %q: %v", e.Action, e.Image, e.Err)
}

// Unwrap gives the cause.
func (e *ImageError) Unwrap() error { return e.Err }

// The codes by which shells, and a CommandError, tell why a command could not be run.
const (
	CodeNotExecutable = 126
	CodeNotFound      = 127
)

// CommandError tells that a command could not be run at all, as opposed to one that ran and failed.
type CommandError struct {
	// Code is CodeNotExecutable or CodeNotFound.
	Code int
	Err  error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("the command could not be run (exit code %d): %v", e.Code, e.Err)
}

// Unwrap gives the cause.
func (e *CommandError) Unwrap() error { return e.Err }
