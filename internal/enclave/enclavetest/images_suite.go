package enclavetest

import (
	"errors"
	"io/fs"
	"strings"
	"sync"

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
	name := "sundog-test/built:" + UniqueName(f)
	f.Cleanup(func() { RemoveImage(f.T, f.backend, name) })
	return plan.Image{Name: name, Build: &plan.Build{Context: tree, Args: args}}
}

// base is the image that builds begin with.
func (f *fixture) base() string {
	if f.images.Base != "" {
		return f.images.Base
	}
	return f.images.Service
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
	{name: "image is not built again for what is ignored", test: func(f *fixture) {
		image := func(seen, ignored string) plan.Image {
			return f.build(nil,
				plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY . /context/\n"), plan.TextFile("Dockerfile.dockerignore", 0o644, "*.log\nDockerfile*\n"),
				plan.TextFile(".dockerignore", 0o644, "*.txt\n"), plan.TextFile("a.txt", 0o644, seen), plan.TextFile("x.log", 0o644, ignored))
		}
		first, second, third := image("1", "a"), image("1", "b"), image("2", "b")
		second.Name, third.Name = first.Name, first.Name
		built, err := f.backend.EnsureImage(f.ctx, first, enclave.ImageMissing)
		f.must(err)
		ignored, err := f.backend.EnsureImage(f.ctx, second, enclave.ImageMissing)
		f.must(err)
		equal(f, "ID after an ignored change", ignored.ID, built.ID)
		changed, err := f.backend.EnsureImage(f.ctx, third, enclave.ImageMissing)
		f.must(err)
		if changed.ID == built.ID {
			f.Error("the image was not built anew when a file changed that the build sees")
		}
	}},
	{name: "image stays what it was resolved to", test: func(f *fixture) {
		first := f.build(nil, plan.TextFile("Dockerfile", 0o644, "FROM "+f.base()+"\nENV VERSION=1\n"))
		second := f.build(nil, plan.TextFile("Dockerfile", 0o644, "FROM "+f.base()+"\nENV VERSION=2\n"))
		second.Name = first.Name
		resolved, err := f.backend.EnsureImage(f.ctx, first, enclave.ImageMissing)
		f.must(err)
		again, err := f.backend.ResolvedImage(f.ctx, *resolved)
		f.must(err)
		equal(f, "ID", again.ID, resolved.ID)
		equal(f, "moved", again.Moved, false)
		// A container keeps the image when its name moves on.
		name := f.enclave()
		made := f.create(name, "one", func(request *enclave.ServiceRequest) {
			request.Spec.Image, request.Image = first, *resolved
		})
		_, err = f.backend.EnsureImage(f.ctx, second, enclave.ImageMissing)
		f.must(err)
		moved, err := f.backend.ResolvedImage(f.ctx, *resolved)
		f.must(err)
		equal(f, "ID", moved.ID, resolved.ID)
		equal(f, "name", moved.Name, first.Name)
		equal(f, "moved", moved.Moved, true)
		other := f.create(name, "two", func(request *enclave.ServiceRequest) {
			request.Spec.Image, request.Image = plan.Image{Name: first.Name}, *moved
		})
		equal(f, "image of the second service", other.ImageID, made.ImageID)
	}},
	{name: "image that is gone is not found", test: func(f *fixture) {
		_, err := f.backend.ResolvedImage(f.ctx, enclave.Image{Name: missingImage, ID: "sha256:" + strings.Repeat("0", 64)})
		f.is(err, enclave.ErrNotFound)
		_, err = f.backend.RegistryDigest(f.ctx, plan.Image{Name: missingImage})
		f.is(err, enclave.ErrNotFound)
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
		Mentions(f, err, image.Name, "not-there.txt")
	}},
	{name: "image build leaves out what is ignored", process: true, test: func(f *fixture) {
		image := f.build(nil,
			plan.TextFile("Dockerfile", 0o644, "FROM "+f.base()+"\nCOPY . /context/\n"), plan.TextFile(".dockerignore", 0o644, "*.log\n!keep.log\n"),
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
	{name: "image is built of the stage and with the arguments that are asked for", process: true, test: func(f *fixture) {
		image := f.build(map[string]string{"GREETING": "hello"},
			plan.TextFile("build/app.dockerfile", 0o644, "FROM "+f.base()+" AS base\nARG GREETING=none\nENV GREETING=$GREETING\nFROM base AS wanted\nENV STAGE=wanted\n"+
				"FROM base\nENV STAGE=last\n"))
		image.Build.BuildFile, image.Build.TargetStage = "build/app.dockerfile", "wanted"
		built, err := f.backend.EnsureImage(f.ctx, image, enclave.ImageMissing)
		f.must(err)
		name := f.enclave()
		f.start(name, "api", func(request *enclave.ServiceRequest) { request.Image = *built })
		equal(f, "argument", f.exec(name, "api", "env", "GREETING"), "hello")
		equal(f, "stage", f.exec(name, "api", "env", "STAGE"), "wanted")
	}},
	{name: "image build keeps modes and links, and may ignore its own build file", process: true, test: func(f *fixture) {
		link := plan.File{Path: "folder/link", Mode: fs.ModeSymlink | 0o777, Link: "../a-b/run"}
		image := f.build(nil,
			plan.TextFile("Dockerfile", 0o644, "FROM "+f.base()+"\nCOPY . /context/\n"), plan.TextFile(".dockerignore", 0o644, "Dockerfile\n.dockerignore\n"),
			plan.TextFile("a-b/run", 0o755, "x"), plan.TextFile("a/b", 0o644, "x"), plan.TextFile("a.txt", 0o644, "x"), link,
			plan.File{Path: "empty", Mode: fs.ModeDir | 0o755})
		built, err := f.backend.EnsureImage(f.ctx, image, enclave.ImageMissing)
		f.must(err)
		name := f.enclave()
		f.start(name, "api", func(request *enclave.ServiceRequest) { request.Image = *built })
		files := f.exec(name, "api", "list", "/context")
		for _, wanted := range []string{"/context/a-b/run", "/context/a.txt", "/context/a/b", "/context/empty", "../a-b/run"} {
			if !strings.Contains(files, wanted) {
				f.Errorf("the image lacks %s and has\n%s", wanted, files)
			}
		}
		if strings.Contains(files, "ocker") {
			f.Errorf("the image has what was ignored:\n%s", files)
		}
	}},
	{name: "image build tells of its steps", process: true, test: func(f *fixture) {
		image := f.build(nil, plan.TextFile("Dockerfile", 0o644, "FROM "+f.base()+"\nCOPY Dockerfile /step-that-is-told\n"))
		var mutex sync.Mutex
		var lines []string
		ctx := enclave.WithProgress(f.ctx, func(line string) {
			mutex.Lock()
			defer mutex.Unlock()
			lines = append(lines, line)
		})
		_, err := f.backend.EnsureImage(ctx, image, enclave.ImageMissing)
		f.must(err)
		mutex.Lock()
		defer mutex.Unlock()
		if text := strings.Join(lines, "\n"); !strings.Contains(text, "step-that-is-told") {
			f.Errorf("the steps that were told are %q", lines)
		}
	}},
	{name: "image that was built goes with its enclave", process: true, test: func(f *fixture) {
		image := f.build(nil, plan.TextFile("Dockerfile", 0o644, "FROM "+f.base()+"\nCMD [\"serve\"]\n"))
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
