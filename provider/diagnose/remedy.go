package diagnose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/provider/session"
)

// ImportableError is an error that importing would mend: the object is there, under another owner.
type ImportableError struct {
	Type string // sundog_enclave, ...
	ID   string
	Err  error
}

func (e *ImportableError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ImportableError) Unwrap() error { return e.Err }

// EndedError is an error that came with the end of the resource's own time, or with an interruption: Cause tells which.
type EndedError struct{ Err, Cause error }

func (e *EndedError) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *EndedError) Unwrap() error { return e.Err }

// Ending marks an error that happened when the context of the whole call had ended.
func Ending(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &EndedError{Err: err, Cause: ctx.Err()}
}

// remedy is a sentence on what the user can do, or empty where the error says so itself.
func remedy(err error) string {
	var (
		importable  *ImportableError
		unreachable *enclave.UnreachableError
		owned       *enclave.OwnedError
		locked      *enclave.LockedError
		image       *enclave.ImageError
		ended       *EndedError
		instruction *engine.Error
	)
	switch {
	case errors.As(err, &importable):
		return adoption(importable)
	case errors.As(err, &unreachable) && unreachable.Remedy != "":
		return unreachable.Remedy
	case errors.As(err, &unreachable):
		return "Start the engine, or say where it listens: docker = { host = ... } in the provider block, DOCKER_HOST, or `docker context use`. What exists there is left as it is in the state."
	case errors.As(err, &owned) && owned.Run != "":
		return fmt.Sprintf("Give the service another name, or remove it from the run %q.", owned.Run)
	case errors.As(err, &owned):
		return fmt.Sprintf("Choose another name, or set owner = %q in the provider block (or SUNDOG_OWNER) if it is yours.", owned.Owner)
	case errors.As(err, &locked):
		return "Wait until the other apply has ended, then apply again. The lock of a process that is dead is taken over by itself."
	case errors.As(err, &image):
		return imageRemedy(image)
	case errors.Is(err, session.ErrUnknown):
		return "Make what the provider block refers to first (for example with -target), or write the values down."
	case errors.Is(err, enclave.ErrNotFound), errors.Is(err, forker.ErrNotFound):
		return "Check the id or name; it may have been removed meanwhile."
	case errors.As(err, &ended) && errors.Is(ended.Cause, context.DeadlineExceeded):
		return "The time that the resource's timeouts give is over. What had been done is kept: apply again to go on, or raise it there if it needs more."
	case errors.As(err, &ended):
		return "It was interrupted. What had been done is kept: apply again to go on."
	case errors.As(err, &instruction):
		return "What had succeeded is kept: mend the cause and apply again, which goes on from there."
	default:
		return ""
	}
}

func imageRemedy(image *enclave.ImageError) string {
	if image.Action == "build" {
		return "Mend the build (its last lines are above) and apply again."
	}
	return fmt.Sprintf("Correct the image's name, or make it available on the engine: `docker pull %s`, or build it there. image_download says when images are pulled.", image.Image)
}

func adoption(importable *ImportableError) string {
	owner, age := "", ""
	var owned *enclave.OwnedError
	var ownedFork *forker.OwnedError
	switch {
	case errors.As(importable.Err, &owned):
		owner, age = owned.Owner, since(owned.CreatedAt)
	case errors.As(importable.Err, &ownedFork):
		owner, age = ownedFork.Owner, since(ownedFork.CreatedAt)
	}
	return fmt.Sprintf("It is %s old and belongs to the owner %q. Choose another name; or, if it is yours, set owner = %q in the provider block (or SUNDOG_OWNER), or take it over:\n\n"+
		"  tofu import %s.EXAMPLE %s\n\n(or `terraform import`; EXAMPLE stands for the resource's name in your configuration).",
		age, owner, owner, importable.Type, importable.ID)
}

// since gives an age in a form that people say.
func since(at time.Time) string {
	age := time.Since(at)
	switch {
	case age >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(age.Hours()/24))
	case age >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(age.Hours()))
	case age >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(age.Minutes()))
	default:
		return fmt.Sprintf("%d seconds", max(0, int(age.Seconds())))
	}
}

// Blame is the attribute of a package's user that an interpretation error is about: the arguments where they do not fit
// the package's function, the package otherwise.
func Blame(err error) path.Path {
	var interpretation *language.Error
	if errors.As(err, &interpretation) && interpretation.Arguments {
		return path.Root("args")
	}
	return path.Root("package")
}
