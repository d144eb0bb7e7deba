// Package enclavetest holds the one suite of tests that every backend must pass, and the images that tests run.
package enclavetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Owner owns everything that the suite makes.
const Owner = "enclavetest"

// run is the run that the suite's services belong to.
const run = "suite"

// behaviour is one thing that a backend must do.
type behaviour struct {
	name string
	// process tells that a real process has to run for it.
	process bool
	test    func(*fixture)
}

// Run checks a backend. A backend may leave out behaviours by naming them; that list must be exact, so it cannot outlive
// its reason.
func Run(t *testing.T, backend enclave.Backend, images Images, without ...string) {
	t.Helper()
	all := slices.Concat(enclaveBehaviours, recordBehaviours, artifactBehaviours, lockBehaviours, imageBehaviours, serviceBehaviours, processBehaviours, fileBehaviours, storageBehaviours, execBehaviours, networkBehaviours)
	known := map[string]behaviour{}
	for _, item := range all {
		if _, twice := known[item.name]; twice {
			t.Fatalf("two behaviours are called %q", item.name)
		}
		known[item.name] = item
	}
	for _, name := range without {
		if _, found := known[name]; !found {
			t.Fatalf("behaviour %q cannot be left out: there is none of that name", name)
		}
	}
	runAll(t, backend, images, slices.DeleteFunc(all, func(item behaviour) bool { return slices.Contains(without, item.name) }))
}

// RunImages checks only how a backend comes by images, for backends that have several ways.
func RunImages(t *testing.T, backend enclave.Backend, images Images) {
	t.Helper()
	runAll(t, backend, images, slices.Concat(imageBehaviours, builderBehaviours))
}

// RunArtifacts checks only what has to do with files artifacts, for backends that have several ways to keep them.
func RunArtifacts(t *testing.T, backend enclave.Backend, images Images, without ...string) {
	t.Helper()
	all := slices.Concat(artifactBehaviours, fileBehaviours, storageBehaviours)
	runAll(t, backend, images, slices.DeleteFunc(all, func(item behaviour) bool { return slices.Contains(without, item.name) }))
}

func runAll(t *testing.T, backend enclave.Backend, images Images, behaviours []behaviour) {
	t.Helper()
	for _, item := range behaviours {
		t.Run(item.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			ctx = enclave.WithImages(ctx, []enclave.Image{{Name: images.Service, Origin: "local", Policy: enclave.ImageMissing}})
			item.test(&fixture{T: t, ctx: ctx, backend: backend, images: images})
		})
	}
}

// ProcessBehaviours names the behaviours that need a real process.
func ProcessBehaviours() []string {
	var names []string
	for _, item := range slices.Concat(processBehaviours, fileBehaviours, storageBehaviours, execBehaviours, networkBehaviours) {
		if item.process {
			names = append(names, item.name)
		}
	}
	return names
}

// fixture is what one behaviour's test works with.
type fixture struct {
	*testing.T
	ctx     context.Context
	backend enclave.Backend
	images  Images
}

// Context is the one that the shared fixtures work with.
func (f *fixture) Context() context.Context { return f.ctx }

// enclave makes an enclave for one test.
func (f *fixture) enclave() string {
	f.Helper()
	return MakeEnclave(f, f.backend)
}

func (f *fixture) must(err error) {
	f.Helper()
	Must(f, err)
}

// is checks that an error is of a kind.
func (f *fixture) is(err, target error) {
	f.Helper()
	if !errors.Is(err, target) {
		f.Fatalf("got error %v, want one that is %q", err, target)
	}
}

func equal[T comparable](f *fixture, what string, got, want T) {
	f.Helper()
	if got != want {
		f.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// request asks for a service of the test image; change adapts it.
func (f *fixture) request(service string, change func(*enclave.ServiceRequest)) enclave.ServiceRequest {
	f.Helper()
	image, err := f.backend.EnsureImage(f.ctx, plan.Image{Name: f.images.Service}, enclave.ImageMissing)
	f.must(err)
	request := enclave.ServiceRequest{
		Run: run, Owner: Owner, Digest: "d1", Image: *image,
		Spec: plan.ServiceSpec{Name: service, Image: plan.Image{Name: f.images.Service}, Cmd: []string{"serve"}},
	}
	if change != nil {
		change(&request)
	}
	return request
}

// create creates a service.
func (f *fixture) create(name, service string, change func(*enclave.ServiceRequest)) *enclave.Service {
	f.Helper()
	created, err := f.backend.CreateService(f.ctx, name, f.request(service, change))
	f.must(err)
	return created
}

// start creates a service and starts it.
func (f *fixture) start(name, service string, change func(*enclave.ServiceRequest)) *enclave.Service {
	f.Helper()
	f.create(name, service, change)
	started, err := f.backend.StartService(f.ctx, name, service)
	f.must(err)
	return started
}

// listen makes a service listen on HTTP and TCP ports.
func listen(http, tcp int) func(*enclave.ServiceRequest) {
	return func(request *enclave.ServiceRequest) {
		request.Spec.Ports = map[string]plan.Port{}
		if http != 0 {
			request.Spec.Cmd = append(request.Spec.Cmd, "-http", strconv.Itoa(http))
			request.Spec.Ports["http"] = plan.Port{Number: http, Transport: "TCP", Application: "http", Wait: time.Minute}
		}
		if tcp != 0 {
			request.Spec.Cmd = append(request.Spec.Cmd, "-tcp", strconv.Itoa(tcp))
			request.Spec.Ports["tcp"] = plan.Port{Number: tcp, Transport: "TCP"}
		}
	}
}

// command makes a service run one subcommand of the test program.
func command(arguments ...string) func(*enclave.ServiceRequest) {
	return func(request *enclave.ServiceRequest) { request.Spec.Cmd = arguments }
}

// both applies changes in order.
func both(changes ...func(*enclave.ServiceRequest)) func(*enclave.ServiceRequest) {
	return func(request *enclave.ServiceRequest) {
		for _, change := range changes {
			change(request)
		}
	}
}

// awaitState waits until a service is in a state.
func (f *fixture) awaitState(name, service string, state enclave.State) *enclave.Service {
	f.Helper()
	return AwaitState(f, f.backend, name, service, state)
}

// exec runs a subcommand of the test program in a service and gives its output.
func (f *fixture) exec(name, service string, arguments ...string) string {
	f.Helper()
	return Exec(f, f.backend, name, service, arguments...)
}

// artifact stores a files artifact with the given files under its digest.
func (f *fixture) artifact(name string, files ...plan.File) string {
	f.Helper()
	tree, err := plan.NewFileTree(files)
	f.must(err)
	f.must(f.backend.PutArtifact(f.ctx, name, tree.Digest(), tree.WriteTar))
	return tree.Digest()
}
