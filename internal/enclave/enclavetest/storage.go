package enclavetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// passwd gives the user of the image Unprivileged its numbers.
const passwd = "root:x:0:0:root:/:/none\napp:x:42:43:the app:/:/none\n"

// BuildUnprivileged makes a variant of the image Service that runs as the user "app", whom its /etc/passwd gives the
// number 42 and the group 43.
func BuildUnprivileged(tb testing.TB, backend enclave.Backend, images Images) string {
	tb.Helper()
	tree, err := plan.NewFileTree([]plan.File{
		plan.TextFile("Dockerfile", 0o644, "FROM "+images.Service+"\nCOPY passwd /etc/passwd\nUSER app\n"),
		plan.TextFile("passwd", 0o644, passwd),
	})
	if err != nil {
		tb.Fatalf("make the build context of the test image: %v", err)
	}
	image := plan.Image{Name: strings.Replace(images.Service, "/service:", "/unprivileged:", 1), Build: &plan.Build{Context: tree}}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := backend.EnsureImage(ctx, image, enclave.ImageMissing); err != nil {
		tb.Fatalf("build the test image: %v", err)
	}
	tb.Cleanup(func() { RemoveImage(tb, backend, image.Name) })
	return image.Name
}

// large is a file that no backend handles as a small one, of content that cannot be compressed.
func large(path string) plan.File {
	content := make([]byte, 6<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // It never fails.
	return plan.TextFile(path, 0o640, string(content))
}

// unprivileged makes a service run as the image's user.
func (f *fixture) unprivileged(request *enclave.ServiceRequest) {
	f.Helper()
	image, err := f.backend.EnsureImage(f.ctx, plan.Image{Name: f.images.Unprivileged}, enclave.ImageNever)
	f.must(err)
	request.Image, request.Spec.Image = *image, plan.Image{Name: f.images.Unprivileged}
}

// seeded mounts a persistent directory with a seed.
func seeded(path, key string, digests ...string) func(*enclave.ServiceRequest) {
	return func(request *enclave.ServiceRequest) {
		mount("/unused", digests...)(request)
		delete(request.Spec.Files, "/unused")
		request.Spec.Files[path] = plan.Mount{PersistentKey: key, Seed: digests}
	}
}

// owned sets owner and permissions of what is mounted at a path.
func owned(path string, user *plan.User, mode uint32) func(*enclave.ServiceRequest) {
	return func(request *enclave.ServiceRequest) {
		changed := request.Spec.Files[path]
		changed.Owner, changed.Mode = user, mode
		request.Spec.Files[path] = changed
	}
}

// lists checks what a service sees below a folder.
func (f *fixture) lists(name, service, folder string, want ...string) {
	f.Helper()
	files := f.exec(name, service, "list", folder)
	for _, line := range want {
		if !strings.Contains(files, line+"\n") {
			f.Errorf("service %s: no %q among\n%s", service, line, files)
		}
	}
}

var storageBehaviours = []behaviour{
	{name: "large artifact is kept like any other", test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, large("sub/big"), plan.TextFile("a.txt", 0o644, "alpha"))
		small := f.artifact(name, plan.TextFile("a.txt", 0o644, "alpha"))
		equal(f, "digest when it is stored again", f.artifact(name, large("sub/big"), plan.TextFile("a.txt", 0o644, "alpha")), digest)
		listed, err := f.backend.ListArtifacts(f.ctx, name)
		f.must(err)
		equal(f, "artifacts", len(listed), 2)
		for range 2 {
			stream, err := f.backend.Artifact(f.ctx, name, digest)
			f.must(err)
			files := f.untar(stream)
			equal(f, "a.txt", files["a.txt"], "alpha")
			equal(f, "size of the large file", len(files["sub/big"]), 6<<20)
			equal(f, "entries", len(files), 3)
		}
		// What is left unread does no harm.
		stream, err := f.backend.Artifact(f.ctx, name, digest)
		f.must(err)
		_, err = io.CopyN(io.Discard, stream, 1<<20)
		f.must(err)
		f.must(stream.Close())
		f.must(f.backend.RemoveArtifacts(f.ctx, name, []string{digest}))
		_, err = f.backend.Artifact(f.ctx, name, digest)
		f.is(err, enclave.ErrNotFound)
		if listed, err = f.backend.ListArtifacts(f.ctx, name); err != nil || len(listed) != 1 || listed[0] != small {
			f.Errorf("listed %v, %v, want %s", listed, err, small)
		}
	}},
	{name: "large artifact that is cut off is not there", test: func(f *fixture) {
		name := f.enclave()
		tree, err := plan.NewFileTree([]plan.File{large("big")})
		f.must(err)
		failure := errors.New("the disk is gone")
		f.is(f.backend.PutArtifact(f.ctx, name, tree.Digest(), func(w io.Writer) error {
			var whole bytes.Buffer
			f.must(tree.WriteTar(&whole))
			_, _ = w.Write(whole.Bytes()[:5<<20])
			return failure
		}), failure)
		ctx, cancel := context.WithCancel(f.ctx)
		err = f.backend.PutArtifact(ctx, name, tree.Digest(), func(w io.Writer) error {
			var whole bytes.Buffer
			f.must(tree.WriteTar(&whole))
			_, _ = w.Write(whole.Bytes()[:5<<20])
			cancel()
			_, err := w.Write(whole.Bytes()[5<<20:])
			return errors.Join(err, ctx.Err())
		})
		f.is(err, context.Canceled)
		_, err = f.backend.Artifact(f.ctx, name, tree.Digest())
		f.is(err, enclave.ErrNotFound)
		f.must(f.backend.PutArtifact(f.ctx, name, tree.Digest(), tree.WriteTar))
		stream, err := f.backend.Artifact(f.ctx, name, tree.Digest())
		f.must(err)
		equal(f, "size", len(f.untar(stream)["big"]), 6<<20)
	}},
	{name: "large artifact is each service's own, beside small ones, in order", process: true, test: func(f *fixture) {
		name := f.enclave()
		digest := f.artifact(name, large("sub/big"), plan.TextFile("a.txt", 0o644, "of the large one"), plan.TextFile("run.sh", 0o750, "x"))
		small := f.artifact(name, plan.TextFile("a.txt", 0o644, "of the small one"))
		f.start(name, "one", both(mount("/first", digest, small), mount("/seed", small, digest)))
		f.start(name, "two", mount("/first", digest, small))
		equal(f, "later one at the first mount", f.exec(name, "one", "cat", "/first/a.txt"), "of the small one")
		equal(f, "later one at the second mount", f.exec(name, "one", "cat", "/seed/a.txt"), "of the large one")
		f.lists(name, "one", "/seed", "/seed drwxr-xr-x 0:0", "/seed/sub drwxr-xr-x 0:0", "/seed/sub/big -rw-r----- 0:0", "/seed/run.sh -rwxr-x--- 0:0")
		f.lists(name, "two", "/first", "/first drwxr-xr-x 0:0", "/first/sub drwxr-xr-x 0:0", "/first/sub/big -rw-r----- 0:0", "/first/run.sh -rwxr-x--- 0:0")
		f.exec(name, "one", "write", "/first/sub/big", "changed")
		equal(f, "size of the other's file", len(f.exec(name, "two", "cat", "/first/sub/big")), 6<<20)
		f.start(name, "one", mount("/first", digest))
		equal(f, "size after replacement", len(f.exec(name, "one", "cat", "/first/sub/big")), 6<<20)
	}},
	{name: "files belong to the user that the image names", process: true, test: func(f *fixture) {
		name := f.enclave()
		small := f.artifact(name, plan.TextFile("sub/a.txt", 0o600, "alpha"))
		big := f.artifact(name, large("sub/big"))
		f.start(name, "api", both(f.unprivileged, mount("/small", small), mount("/big", big), keep("/keep", "data"), func(request *enclave.ServiceRequest) {
			request.Spec.Files["/none"] = plan.Mount{Artifacts: []string{}}
		}))
		f.lists(name, "api", "/small", "/small drwxr-xr-x 42:43", "/small/sub/a.txt -rw------- 42:43")
		f.lists(name, "api", "/big", "/big drwxr-xr-x 42:43", "/big/sub/big -rw-r----- 42:43")
		equal(f, "file that only its owner may read", f.exec(name, "api", "cat", "/small/sub/a.txt"), "alpha")
		for _, folder := range []string{"/small", "/big", "/keep", "/none"} {
			f.exec(name, "api", "write", folder+"/new.txt", "made")
		}
		f.start(name, "other", both(f.unprivileged, keep("/keep", "data")))
		equal(f, "file in the persistent directory", f.exec(name, "other", "cat", "/keep/new.txt"), "made")
	}},
	{name: "files have the owner and the permissions that are asked for", process: true, test: func(f *fixture) {
		name := f.enclave()
		group := int64(7)
		files := []plan.File{plan.TextFile("sub/a.txt", 0o600, "alpha"), plan.TextFile("run.sh", 0o700, "x")}
		small, big := f.artifact(name, files...), f.artifact(name, append(files, large("big"))...)
		f.start(name, "api", both(mount("/small", small), mount("/big", big), mount("/root", small), keep("/keep", "data"),
			owned("/small", &plan.User{UID: 42, GID: &group}, 0o640), owned("/big", &plan.User{UID: 42, GID: &group}, 0o640),
			owned("/root", &plan.User{UID: 0}, 0), owned("/keep", &plan.User{UID: 42}, 0o700),
			func(request *enclave.ServiceRequest) { request.Spec.User = &plan.User{UID: 0} }))
		for _, folder := range []string{"/small", "/big"} {
			f.lists(name, "api", folder, folder+" drwxr-x--- 42:7", folder+"/sub drwxr-x--- 42:7", folder+"/sub/a.txt -rw-r----- 42:7", folder+"/run.sh -rwxr-x--- 42:7")
		}
		f.lists(name, "api", "/root", "/root/sub/a.txt -rw------- 0:0", "/root/run.sh -rwx------ 0:0")
		f.lists(name, "api", "/keep", "/keep drwx------ 42:0")
		f.start(name, "unprivileged", both(f.unprivileged, mount("/root", small), owned("/root", &plan.User{UID: 0}, 0o644)))
		f.lists(name, "unprivileged", "/root", "/root/sub/a.txt -rw-r--r-- 0:0", "/root/run.sh -rwxr-xr-x 0:0")
	}},
	{name: "persistent directory is seeded as long as it is new", process: true, test: func(f *fixture) {
		name := f.enclave()
		first := f.artifact(name, plan.TextFile("a.txt", 0o644, "first"))
		second := f.artifact(name, plan.TextFile("a.txt", 0o644, "second"), large("big"))
		third := f.artifact(name, plan.TextFile("a.txt", 0o644, "third"))
		// It was never used, so it is filled again.
		f.create(name, "db", seeded("/data", "data", first))
		f.start(name, "db", both(f.unprivileged, seeded("/data", "data", second)))
		equal(f, "seeded file", f.exec(name, "db", "cat", "/data/a.txt"), "second")
		f.lists(name, "db", "/data", "/data drwxr-xr-x 42:43", "/data/big -rw-r----- 42:43")
		f.exec(name, "db", "write", "/data/a.txt", "changed")
		// What is in it and when it was changed says nothing about whether it is new.
		time.Sleep(1100 * time.Millisecond)
		f.exec(name, "db", "write", "/data/b.txt", "added")
		f.start(name, "db", both(f.unprivileged, seeded("/data", "data", third)))
		equal(f, "file after replacement", f.exec(name, "db", "cat", "/data/a.txt"), "changed")
		f.must(f.backend.RemoveService(f.ctx, name, "db"))
		f.start(name, "other", seeded("/elsewhere", "data", third))
		equal(f, "file after removal", f.exec(name, "other", "cat", "/elsewhere/a.txt"), "changed")
		// A seed hides what the image has, like an artifact.
		f.start(name, "fresh", seeded("/seed", "fresh", third))
		equal(f, "file of the seed", f.exec(name, "fresh", "cat", "/seed/a.txt"), "third")
		if files := f.exec(name, "fresh", "list", "/seed"); strings.Contains(files, "from-image") {
			f.Errorf("the image's file shows: %s", files)
		}
		_, err := f.backend.CreateService(f.ctx, name, f.request("bad", seeded("/data", "another", "nowhere")))
		Mentions(f, err, `"bad"`, `"nowhere"`, "/data")
	}},
}
