package standins

import (
	"errors"
	"fmt"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

// ContainerError is a failure of one container, with the key of the resource that it stands for.
type ContainerError struct {
	Key       string
	Container string
	Err       error
}

// Error gives the key, the container and the cause.
func (e *ContainerError) Error() string {
	return fmt.Sprintf("container %q of %s: %v", e.Container, e.Key, e.Err)
}

// Unwrap gives the cause.
func (e *ContainerError) Unwrap() error { return e.Err }

// ResourceKey gives the key of the resource that the container stands for; whoever cannot import this package finds it
// through an interface.
func (e *ContainerError) ResourceKey() string { return e.Key }

// translate names the resources' keys in an engine's errors.
func translate(err error, containers []forker.Container) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var translated []error
		for _, one := range several.Unwrap() {
			translated = append(translated, translate(one, containers))
		}
		return errors.Join(translated...)
	}
	failure, ok := errors.AsType[*engine.Error](err)
	if !ok {
		return err
	}
	for i := range containers {
		if containers[i].Name == failure.Service {
			return &ContainerError{Key: containers[i].Key, Container: failure.Service, Err: err}
		}
	}
	return err
}
