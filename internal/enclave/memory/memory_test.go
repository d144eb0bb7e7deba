package memory_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// impossible is what cannot be had without a process. The suite checks that each of them is one of its behaviours.
var impossible = []string{
	"image build that fails says why",
	"image build leaves out what is ignored",
	"image is built of the stage and with the arguments that are asked for",
	"image build keeps modes and links, and may ignore its own build file",
	"image build tells of its steps",
	"image that was built goes with its enclave",
	"service runs, is stopped and runs again",
	"service that was stopped has its files when it runs again",
	"service that ends shows its exit code",
	"service that was stopped and ends by itself later is exited",
	"service that takes too much memory is told apart",
	"service whose command is not there says so",
	"service gets environment, own address, init and user",
	"service listens on its own address",
	"service that does not end when asked is killed",
	"service whose host port is taken gets another one",
	"service whose pinned port is taken says which",
	"service that comes back has its address and its host ports",
	"service that was stopped is not robbed of its files when its host port is taken",
	"service reaches a port of the engine's machine",
	"service gets capabilities, devices, limits and host settings",
	"service tells its logs",
	"artifacts are mounted in order and hide the image's files",
	"each service has its own writable copy",
	"mounted files belong to the service's user",
	"persistent directory outlives its service and is shared by key",
	"lasting directory lasts as long as its service",
	"service with a persistent directory is asked to end before it is replaced",
	"files are moved to their final place",
	"paths are copied out of services",
	"paths are copied out of a service that was stopped",
	"large artifact is each service's own, beside small ones, in order",
	"files belong to the user that the image names",
	"files have the owner and the permissions that are asked for",
	"persistent directory is seeded as long as it is new",
	"command runs with its own environment and input",
	"command that cannot run is an error",
	"command in a service that does not run says why",
	"command's output and errors come apart",
	"command that ends does not wait for its input",
	"command gets a terminal whose size follows",
	"command runs in another folder and as another user",
	"command ends with its context",
	"port is open only when the service itself listens",
	"services reach each other by name and alias, not those of other enclaves",
}

func TestConforms(t *testing.T) {
	t.Parallel()
	backend := memory.New(memory.Hooks{})
	backend.AddImage("test/service:1")
	enclavetest.Run(t, backend, enclavetest.Images{Service: "test/service:1"}, impossible...)
}

func TestImpossibleIsExact(t *testing.T) {
	t.Parallel()
	if want := enclavetest.ProcessBehaviours(); !slices.Equal(impossible, want) {
		t.Errorf("the list of what is impossible is not exact, want:\n%q", want)
	}
}

func TestHooksDecide(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	backend := memory.New(memory.Hooks{
		Before: func(_ context.Context, call memory.Call) error {
			if call.String() == "StopService dev/api" {
				return refused
			}
			return nil
		},
		Start: func(_ string, request enclave.ServiceRequest) memory.Outcome {
			return memory.Outcome{Exited: request.Spec.Name == "crash", Code: 3}
		},
		Exec: func(_ context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
			return &enclave.ExecResult{Code: 7, Output: request.Command[0]}, nil
		},
	})
	ctx := t.Context()
	if _, err := backend.CreateEnclave(ctx, enclave.Spec{Name: "dev", Owner: "me"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api", "crash"} {
		if _, err := backend.CreateService(ctx, "dev", enclave.ServiceRequest{Spec: plan.ServiceSpec{Name: name}}); err != nil {
			t.Fatal(err)
		}
		if _, err := backend.StartService(ctx, "dev", name); err != nil {
			t.Fatal(err)
		}
	}
	if err := backend.StopService(ctx, "dev", "api"); !errors.Is(err, refused) {
		t.Errorf("got error %v, want the hook's", err)
	}
	result, err := backend.Exec(ctx, "dev", "api", enclave.ExecRequest{Command: []string{"date"}})
	if err != nil || result.Code != 7 || result.Output != "date" {
		t.Errorf("got %v, %v, want what the hook says", result, err)
	}
	if _, err := backend.Exec(ctx, "dev", "crash", enclave.ExecRequest{Command: []string{"date"}}); err == nil {
		t.Error("a command ran in a service that has ended")
	}
	backend.Kill("dev", "api", 9)
	if service, err := backend.Service(ctx, "dev", "api"); err != nil || service.State != enclave.StateExited || service.ExitCode != 9 {
		t.Errorf("got %+v, %v, want one that has exited with code 9", service, err)
	}
	backend.Vanish("dev", "crash")
	if _, err := backend.Service(ctx, "dev", "crash"); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	want := []string{"CreateService dev/api", "StartService dev/api", "CreateService dev/crash", "StartService dev/crash", "StopService dev/api"}
	if got := backend.Changes(); !slices.Equal(got, want) {
		t.Errorf("got changes %q, want %q", got, want)
	}
}
