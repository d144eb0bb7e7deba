package enclavetest

import (
	"errors"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// missingImage is an image that no engine has and no registry gives (RFC 2606 keeps the host's name free).
const missingImage = "registry.invalid/sundog-test/missing:1"

// build is an image built from files, removed when the test ends.
func (f *fixture) build(args map[string]string, files ...plan.File) plan.Image {
	f.Helper()
	tree, err := plan.NewFileTree(files)
	f.must(err)
	name := "sundog-test/built:" + uniqueName(f)
	f.Cleanup(func() { RemoveImage(f.T, f.backend, name) })
	return plan.Image{Name: name, Build: &plan.Build{Context: tree, Args: args}}
}

var imageBehaviours = []behaviour{
	{name: "image that is there is used", test: func(f *fixture) {
		for _, policy := range []enclave.ImagePolicy{enclave.ImageMissing, enclave.ImageNever, ""} {
			image, err := f.backend.EnsureImage(f.ctx, plan.Image{Name: f.images.Service}, policy)
			f.must(err)
			equal(f, "name", image.Name, f.images.Service)
			equal(f, "origin", image.Origin, "local")
			if image.ID == "" {
				f.Error("the image has no ID")
			}
		}
	}},
	{name: "image that cannot be pulled is used with a warning if it is there", test: func(f *fixture) {
		// The test image stands in no registry.
		image, err := f.backend.EnsureImage(f.ctx, plan.Image{Name: f.images.Service}, enclave.ImageAlways)
		f.must(err)
		equal(f, "origin", image.Origin, "local")
		if len(image.Warnings) != 1 || !strings.Contains(image.Warnings[0], "could not be pulled") {
			f.Errorf("warnings %q, want one about the pull", image.Warnings)
		}
	}},
	{name: "image that is nowhere is an error", test: func(f *fixture) {
		for policy, action := range map[enclave.ImagePolicy]string{enclave.ImageMissing: "pull", enclave.ImageAlways: "pull", enclave.ImageNever: "find"} {
			_, err := f.backend.EnsureImage(f.ctx, plan.Image{Name: missingImage}, policy)
			var missing *enclave.ImageError
			if !errors.As(err, &missing) {
				f.Fatalf("policy %s: got error %v, want an ImageError", policy, err)
			}
			equal(f, "action", missing.Action, action)
			equal(f, "image", missing.Image, missingImage)
			if missing.Err == nil || errors.Is(err, enclave.ErrNotFound) {
				f.Errorf("policy %s: got reason %v, want one that is not taken for a missing enclave", policy, missing.Err)
			}
		}
	}},
	{name: "image whose name is none is an error", test: func(f *fixture) {
		for _, name := range []string{"", "Not A Name", "UPPER/case"} {
			_, err := f.backend.EnsureImage(f.ctx, plan.Image{Name: name}, enclave.ImageMissing)
			if _, ok := errors.AsType[*enclave.ImageError](err); !ok {
				f.Errorf("name %q: got error %v, want an ImageError", name, err)
			}
		}
	}},
	{name: "image is built once for equal input", test: func(f *fixture) {
		image := f.build(map[string]string{"SECRET": "hunter2"}, plan.TextFile("Dockerfile", 0o644, "FROM scratch\nARG SECRET\nCOPY a.txt /a.txt\n"), plan.TextFile("a.txt", 0o644, "alpha"))
		first, err := f.backend.EnsureImage(f.ctx, image, enclave.ImageMissing)
		f.must(err)
		equal(f, "origin", first.Origin, "built")
		equal(f, "name", first.Name, image.Name)
		again, err := f.backend.EnsureImage(f.ctx, image, enclave.ImageMissing)
		f.must(err)
		equal(f, "ID", again.ID, first.ID)
		equal(f, "origin", again.Origin, "built")
		changed := f.build(nil, plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY a.txt /a.txt\n"), plan.TextFile("a.txt", 0o644, "other"))
		changed.Name = image.Name
		other, err := f.backend.EnsureImage(f.ctx, changed, enclave.ImageMissing)
		f.must(err)
		if other.ID == first.ID {
			f.Error("the image was not built anew when its context changed")
		}
	}},
}

// builderBehaviours need an engine that builds; they are part of the process behaviours.
var builderBehaviours = []behaviour{
	{name: "image build that fails says why", process: true, test: func(f *fixture) {
		image := f.build(nil, plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY not-there.txt /a.txt\n"))
		_, err := f.backend.EnsureImage(f.ctx, image, enclave.ImageMissing)
		var failed *enclave.ImageError
		if !errors.As(err, &failed) {
			f.Fatalf("got error %v, want an ImageError", err)
		}
		equal(f, "action", failed.Action, "build")
		f.mentions(err, image.Name, "not-there.txt", "Step 2/")
	}},
	{name: "image build leaves out what is ignored", process: true, test: func(f *fixture) {
		image := f.build(nil,
			plan.TextFile("Dockerfile", 0o644, "FROM "+f.images.Service+"\nCOPY . /context/\n"), plan.TextFile(".dockerignore", 0o644, "*.log\n!keep.log\n"),
			plan.TextFile("drop.log", 0o644, "x"), plan.TextFile("keep.log", 0o644, "x"))
		built, err := f.backend.EnsureImage(f.ctx, image, enclave.ImageMissing)
		f.must(err)
		name := f.enclave()
		f.start(name, "api", func(request *enclave.ServiceRequest) { request.Image = *built })
		files := f.exec(name, "api", "list", "/context")
		if strings.Contains(files, "drop.log") || !strings.Contains(files, "keep.log") {
			f.Errorf("the image has %s", files)
		}
	}},
	{name: "image that was built goes with its enclave", process: true, test: func(f *fixture) {
		image := f.build(nil, plan.TextFile("Dockerfile", 0o644, "FROM "+f.images.Service+"\nCMD [\"serve\"]\n"))
		built, err := f.backend.EnsureImage(f.ctx, image, enclave.ImageMissing)
		f.must(err)
		first, second := f.enclave(), f.enclave()
		for _, name := range []string{first, second} {
			f.create(name, "api", func(request *enclave.ServiceRequest) {
				request.Spec.Image, request.Image = image, *built
			})
		}
		f.must(f.backend.RemoveEnclave(f.ctx, first))
		_, err = f.backend.EnsureImage(f.ctx, plan.Image{Name: image.Name}, enclave.ImageNever)
		f.must(err)
		f.must(f.backend.RemoveEnclave(f.ctx, second))
		_, err = f.backend.EnsureImage(f.ctx, plan.Image{Name: image.Name}, enclave.ImageNever)
		if _, ok := errors.AsType[*enclave.ImageError](err); !ok {
			f.Errorf("got error %v, want an ImageError, as the image should be gone", err)
		}
		// A service that needs it gets it back.
		third := f.enclave()
		f.create(third, "api", func(request *enclave.ServiceRequest) {
			request.Spec.Image, request.Image = image, *built
		})
	}},
}
