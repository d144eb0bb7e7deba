package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// unchanged gives the result of an apply that finds nothing to do, or nil where there may be something.
//
// Most applies find nothing to do, and a lock costs more than looking. So the plan is first carried out on a backend that
// refuses every change. If it gets through, the enclave was at that moment what the plan says, whoever else was at work:
// what an apply changes shows in the containers or in the record, and a record of an apply that is under way is not
// complete. If not, nothing has happened, and it begins anew under the lock.
func (e *Engine) unchanged(ctx context.Context, request Request, order *itinerary, asked *demands) *Result {
	if request.Images == enclave.ImageAlways {
		return nil
	}
	seen, err := e.observe(ctx, request.Enclave, request.Run)
	if err != nil || seen.record == nil || !seen.record.Complete || seen.checkOwner(request.Run, request.Owner) != nil {
		return nil // What is wrong is told by the apply itself.
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mutex sync.Mutex
	var told []Event
	looking := *e
	looking.backend = &lookingBackend{e.backend, cancel}
	looking.events = func(event Event) {
		mutex.Lock()
		defer mutex.Unlock()
		told = append(told, event)
	}
	x := looking.newExecution(ctx, request, order, asked, seen)
	x.tell(eventApply, request.Run, eventStarted, "")
	if x.apply(ctx) != nil || ctx.Err() != nil {
		return nil
	}
	result, err := x.result(ctx, seen, nil)
	if err != nil {
		return nil
	}
	x.tellEnd(result, nil)
	for _, event := range told {
		e.events(event)
	}
	return result
}

// errChange is what a backend that is only looked at answers to a change.
var errChange = errors.New("this would be a change")

// lookingBackend refuses whatever changes an enclave or touches a service, and gives notice of it, so that whoever waits
// for an effect stops waiting.
type lookingBackend struct {
	enclave.Backend
	refused func()
}

func (b *lookingBackend) refuse() error {
	b.refused()
	return errChange
}

// CreateEnclave implements enclave.Enclaves.
func (b *lookingBackend) CreateEnclave(context.Context, enclave.Spec) (*enclave.Enclave, error) {
	return nil, b.refuse()
}

// UpdateEnclave implements enclave.Enclaves.
func (b *lookingBackend) UpdateEnclave(context.Context, enclave.Spec) (*enclave.Enclave, error) {
	return nil, b.refuse()
}

// RemoveEnclave implements enclave.Enclaves.
func (b *lookingBackend) RemoveEnclave(context.Context, string) error { return b.refuse() }

// Lock implements enclave.Enclaves.
func (b *lookingBackend) Lock(context.Context, string, string, string) (func(), error) {
	return nil, b.refuse()
}

// CreateService implements enclave.Services.
func (b *lookingBackend) CreateService(context.Context, string, enclave.ServiceRequest) (*enclave.Service, error) {
	return nil, b.refuse()
}

// StartService implements enclave.Services.
func (b *lookingBackend) StartService(context.Context, string, string) (*enclave.Service, error) {
	return nil, b.refuse()
}

// StopService implements enclave.Services.
func (b *lookingBackend) StopService(context.Context, string, string) error { return b.refuse() }

// RemoveService implements enclave.Services.
func (b *lookingBackend) RemoveService(context.Context, string, string) error { return b.refuse() }

// Exec implements enclave.Services.
func (b *lookingBackend) Exec(context.Context, string, string, enclave.ExecRequest) (*enclave.ExecResult, error) {
	return nil, b.refuse()
}

// Dial implements enclave.Services: a service notices it, and only what has to be done again dials.
func (b *lookingBackend) Dial(context.Context, string, string, string, int) (net.Conn, error) {
	return nil, b.refuse()
}

// EnsureImage implements enclave.Images: what would have to be pulled or built is a change, and takes its time.
func (b *lookingBackend) EnsureImage(ctx context.Context, image plan.Image, _ enclave.ImagePolicy) (*enclave.Image, error) {
	if image.Build != nil {
		return nil, b.refuse()
	}
	ready, err := b.Backend.EnsureImage(ctx, image, enclave.ImageNever)
	if err != nil {
		return nil, errors.Join(b.refuse(), fmt.Errorf("look for image %q: %w", image.Name, err))
	}
	return ready, nil
}

// PutArtifact implements enclave.Artifacts.
func (b *lookingBackend) PutArtifact(context.Context, string, string, func(io.Writer) error) error {
	return b.refuse()
}

// RemoveArtifacts implements enclave.Artifacts.
func (b *lookingBackend) RemoveArtifacts(context.Context, string, []string) error { return b.refuse() }

// WriteRecord implements enclave.Records.
func (b *lookingBackend) WriteRecord(context.Context, string, string, []byte) error {
	return b.refuse()
}

// RemoveRecord implements enclave.Records.
func (b *lookingBackend) RemoveRecord(context.Context, string, string) error { return b.refuse() }

// Capacity implements enclave.Measured; zero stands for what the backend does not know.
func (b *lookingBackend) Capacity(ctx context.Context) (enclave.Capacity, error) {
	if measured, ok := b.Backend.(enclave.Measured); ok {
		return measured.Capacity(ctx)
	}
	return enclave.Capacity{}, nil
}
