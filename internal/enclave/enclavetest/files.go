package enclavetest

import (
	"io/fs"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// mount mounts artifacts at a path.
func mount(path string, digests ...string) func(*enclave.ServiceRequest) {
	return func(request *enclave.ServiceRequest) {
		if request.Spec.Files == nil {
			request.Spec.Files = map[string]plan.Mount{}
		}
		if request.Artifacts == nil {
			request.Artifacts = map[string]string{}
		}
		request.Spec.Files[path] = plan.Mount{Artifacts: digests}
		for _, digest := range digests {
			request.Artifacts[digest] = digest
		}
	}
}

// keep mounts a persistent directory at a path.
func keep(path, key string) func(*enclave.ServiceRequest) {
	return func(request *enclave.ServiceRequest) {
		if request.Spec.Files == nil {
			request.Spec.Files = map[string]plan.Mount{}
		}
		request.Spec.Files[path] = plan.Mount{PersistentKey: key}
	}
}

var fileBehaviours = []behaviour{
	{name: "artifacts are mounted in order and hide the image's files", process: true, test: func(f *fixture) {
		name := f.enclave()
		first := f.artifact(name, plan.TextFile("a.txt", 0o640, "first"), plan.TextFile("sub/b.txt", 0o644, "b"),
			plan.File{Path: "link", Mode: fs.ModeSymlink | 0o777, Link: "sub/b.txt"}, plan.TextFile("run.sh", 0o755, "x"))
		second := f.artifact(name, plan.TextFile("a.txt", 0o600, "second"))
		f.start(name, "api", both(mount("/seed", first, second), mount("/etc/deep/down", second)))
		equal(f, "file of both", f.exec(name, "api", "cat", "/seed/a.txt"), "second")
		equal(f, "file behind a link", f.exec(name, "api", "cat", "/seed/link"), "b")
		equal(f, "file in a new folder", f.exec(name, "api", "cat", "/etc/deep/down/a.txt"), "second")
		files := f.exec(name, "api", "list", "/seed")
		for _, want := range []string{"/seed/a.txt -rw------- 0:0", "/seed/run.sh -rwxr-xr-x 0:0", "/seed/link Lrwxrwxrwx 0:0 -> sub/b.txt", "/seed/sub drwxr-xr-x 0:0"} {
			if !strings.Contains(files, want) {
				f.Errorf("no %q among\n%s", want, files)
			}
		}
		if strings.Contains(files, "from-image") {
			f.Errorf("the image's file shows: %s", files)
		}
	}},
	{name: "each service has its own writable copy", process: true, test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, plan.TextFile("a.txt", 0o644, "stored"))
		f.start(name, "one", mount("/data", digest))
		f.start(name, "two", mount("/data", digest))
		f.exec(name, "one", "write", "/data/a.txt", "changed")
		equal(f, "the other's file", f.exec(name, "two", "cat", "/data/a.txt"), "stored")
		f.start(name, "one", mount("/data", digest))
		equal(f, "file after replacement", f.exec(name, "one", "cat", "/data/a.txt"), "stored")
	}},
	{name: "mounted files belong to the service's user", process: true, test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, plan.TextFile("sub/a.txt", 0o644, "stored"))
		group := int64(43)
		f.start(name, "api", both(mount("/data", digest), func(request *enclave.ServiceRequest) {
			request.Spec.User = &plan.User{UID: 42, GID: &group}
		}))
		f.exec(name, "api", "write", "/data/sub/a.txt", "changed")
		f.exec(name, "api", "write", "/data/new.txt", "made")
		if files := f.exec(name, "api", "list", "/data"); strings.Count(files, " 42:43") != 4 {
			f.Errorf("files are\n%s", files)
		}
	}},
	{name: "persistent directory outlives its service and is shared by key", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "db", both(keep("/data", "store"), keep("/more", "store")))
		f.exec(name, "db", "write", "/data/a.txt", "kept")
		equal(f, "file at the other mount", f.exec(name, "db", "cat", "/more/a.txt"), "kept")
		f.start(name, "reader", keep("/elsewhere", "store"))
		equal(f, "file in the other service", f.exec(name, "reader", "cat", "/elsewhere/a.txt"), "kept")
		f.start(name, "db", keep("/data", "store"))
		equal(f, "file after replacement", f.exec(name, "db", "cat", "/data/a.txt"), "kept")
		f.must(f.backend.RemoveService(f.ctx, name, "db"))
		f.must(f.backend.RemoveService(f.ctx, name, "reader"))
		f.start(name, "db", keep("/data", "store"))
		equal(f, "file after removal", f.exec(name, "db", "cat", "/data/a.txt"), "kept")
		f.must(f.backend.RemoveEnclave(f.ctx, name))
		_, err := f.backend.CreateEnclave(f.ctx, enclave.Spec{Name: name, Owner: Owner})
		f.must(err)
		f.start(name, "db", keep("/data", "store"))
		if files := f.exec(name, "db", "list", "/data"); strings.Contains(files, "a.txt") {
			f.Errorf("a new enclave has the old one's files: %s", files)
		}
	}},
	{name: "lasting directory lasts as long as its service", process: true, test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, plan.TextFile("a.txt", 0o644, "stored"))
		lasting := both(mount("/files", digest), func(request *enclave.ServiceRequest) {
			request.Spec.Files["/own"] = plan.Mount{Lasting: true}
			request.Spec.Files["/files"] = plan.Mount{Lasting: true, Artifacts: []string{digest}}
		})
		f.start(name, "db", lasting)
		equal(f, "file of the artifact", f.exec(name, "db", "cat", "/files/a.txt"), "stored")
		f.exec(name, "db", "write", "/own/b.txt", "kept")
		f.exec(name, "db", "write", "/files/a.txt", "changed")
		f.must(f.backend.StopService(f.ctx, name, "db"))
		_, err := f.backend.StartService(f.ctx, name, "db")
		f.must(err)
		equal(f, "own file after a restart", f.exec(name, "db", "cat", "/own/b.txt"), "kept")
		equal(f, "file of the artifact after a restart", f.exec(name, "db", "cat", "/files/a.txt"), "changed")
		f.start(name, "db", lasting)
		equal(f, "file of the artifact after a replacement", f.exec(name, "db", "cat", "/files/a.txt"), "stored")
		if files := f.exec(name, "db", "list", "/own"); strings.Contains(files, "b.txt") {
			f.Errorf("what has replaced the service has its files: %s", files)
		}
	}},
	{name: "service with a persistent directory is asked to end before it is replaced", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "db", both(command("serve", "-at-end", "/data/flushed=yes"), keep("/data", "store")))
		f.start(name, "db", keep("/data", "store"))
		equal(f, "file written at the end", f.exec(name, "db", "cat", "/data/flushed"), "yes")
	}},
	{name: "files are moved to their final place", process: true, test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, plan.TextFile("app.conf", 0o640, "configured"))
		f.start(name, "api", both(mount("/staging", digest), func(request *enclave.ServiceRequest) {
			request.Spec.FilesToBeMoved = map[string]string{"/staging/app.conf": "/seed/new/place/app.conf"}
		}))
		equal(f, "moved file", f.exec(name, "api", "cat", "/seed/new/place/app.conf"), "configured")
		equal(f, "file beside it", f.exec(name, "api", "cat", "/seed/from-image"), "of the image")
		_, err := f.backend.CreateService(f.ctx, name, f.request("bad", func(request *enclave.ServiceRequest) {
			request.Spec.FilesToBeMoved = map[string]string{"/nowhere/a": "/b"}
		}))
		Mentions(f, err, `"bad"`, "/nowhere/a")
	}},
	{name: "paths are copied out of services", process: true, test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, plan.TextFile("a.txt", 0o640, "alpha"), plan.TextFile("sub/b.txt", 0o644, "beta"),
			plan.File{Path: "link", Mode: fs.ModeSymlink | 0o777, Link: "a.txt"}, plan.File{Path: "folder-link", Mode: fs.ModeSymlink | 0o777, Link: "sub"})
		f.start(name, "api", mount("/data", digest))
		f.exec(name, "api", "write", "/data/sub/c.txt", "gamma")
		stream, err := f.backend.CopyFrom(f.ctx, name, "api", "/data")
		f.must(err)
		files := f.untar(stream)
		for path, want := range map[string]string{"a.txt": "alpha", "sub/b.txt": "beta", "sub/c.txt": "gamma", "link": "-> a.txt", "sub/": ""} {
			if got, found := files[path]; !found || got != want {
				f.Errorf("%s: got %q, want %q", path, got, want)
			}
		}
		equal(f, "entries", len(files), 6)
		for source, want := range map[string]string{"/data/a.txt": "a.txt", "/data/link": "a.txt", "/data/folder-link": "b.txt", "/data/sub/": "b.txt"} {
			stream, err := f.backend.CopyFrom(f.ctx, name, "api", source)
			f.must(err)
			if files := f.untar(stream); files[want] == "" {
				f.Errorf("%s: got %v, want %s in it", source, files, want)
			}
		}
		_, err = f.backend.CopyFrom(f.ctx, name, "api", "/data/none")
		f.is(err, enclave.ErrNotFound)
		Mentions(f, err, "/data/none", `"api"`)
	}},
	{name: "paths are copied out of a service that was stopped", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", mount("/data", f.artifact(name, plan.TextFile("a.txt", 0o640, "alpha"))))
		f.exec(name, "api", "write", "/data/b.txt", "beta")
		f.must(f.backend.StopService(f.ctx, name, "api"))
		stream, err := f.backend.CopyFrom(f.ctx, name, "api", "/data")
		f.must(err)
		files := f.untar(stream)
		equal(f, "a.txt", files["a.txt"], "alpha")
		equal(f, "b.txt", files["b.txt"], "beta")
	}},
}
