package engine_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// pythonScript stands for an interpreter: what it is given tells whether words arrive as they are.
const pythonScript = "#!/bin/sh\nfor word in \"$@\"; do echo \"<$word>\"; done\n"

var libraryPath = regexp.MustCompile(`(/\S+) \(0x`)

// shellImage makes an image with this machine's shell, as no registry is to be asked.
func (w *world) shellImage() string {
	w.Helper()
	files := []plan.File{
		plan.TextFile("Dockerfile", 0o644, "FROM scratch\nCOPY root /\n"),
		plan.TextFile("root/bin/python3", 0o755, pythonScript),
		plan.TextFile("root/nonce", 0o644, w.Name()+w.enclave),
	}
	programs := map[string]string{"/bin/sh": "root/bin/sh", "/bin/sleep": "root/bin/sleep", "/bin/cat": "root/bin/cat"}
	for program := range programs {
		listed, err := exec.CommandContext(w.ctx, "ldd", program).Output()
		w.must(nil, err)
		for _, match := range libraryPath.FindAllStringSubmatch(string(listed), -1) {
			programs[match[1]] = "root" + match[1]
		}
	}
	for source, target := range programs {
		content, err := os.ReadFile(source)
		w.must(nil, err)
		sum := sha256.Sum256(content)
		files = append(files, plan.File{
			Path: target, Mode: 0o755, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
			Open: func() (io.ReadCloser, error) { return os.Open(source) },
		})
	}
	tree, err := plan.NewFileTree(files)
	w.must(nil, err)
	name := "sundog-test/shell:" + w.enclave
	_, err = w.backend.EnsureImage(w.ctx, plan.Image{Name: name, Build: &plan.Build{Context: tree}}, enclave.ImageMissing)
	w.must(nil, err)
	w.Cleanup(func() { enclavetest.RemoveImage(w.T, w.backend, name) })
	return name
}

func TestDockerTasks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	image := w.shellImage()
	task := func(id, script string, change ...func(*plan.RunTask)) *plan.RunTask {
		result := &plan.RunTask{
			ID: id, Name: id, Kind: plan.TaskShell, Script: script, Timeout: time.Minute, Acceptance: plan.Acceptance{Codes: []int64{0}},
			Service: plan.ServiceSpec{Name: id, Image: plan.Image{Name: image}, Env: map[string]string{"NAME": id}},
		}
		for _, one := range change {
			one(result)
		}
		return result
	}
	accept := func(codes ...int64) func(*plan.RunTask) {
		return func(r *plan.RunTask) { r.Acceptance.Codes = codes }
	}
	store := func(r *plan.RunTask) {
		r.Store = []plan.StoreSpec{{Source: "/out/*", Artifact: "all"}, {Source: "/out.txt", Artifact: "one"}}
	}
	files := func(artifacts ...string) func(*plan.RunTask) {
		return func(r *plan.RunTask) { r.Service.Files = map[string]plan.Mount{"/in": {Artifacts: artifacts}} }
	}
	python := task("py", "print('a')\n# $HOME `x` \"quoted\"", func(r *plan.RunTask) {
		r.Kind, r.Args = plan.TaskPython, []string{"two words", "$HOME", value("made", "output")}
	})
	all := func() []plan.Operation {
		return []plan.Operation{
			// A script may end in a comment and a line break, and its own code counts.
			task("made", "echo -n \"from $NAME\"; cat > /out.txt < /nonce; exit 42 # done\n", accept(42), func(r *plan.RunTask) { r.Store = []plan.StoreSpec{{Source: "/out.txt", Artifact: "nonce"}} }),
			&plan.Verify{Value: value("made", "code"), Assertion: "==", Target: int64(42)},
			task("used", "echo "+value("made", "output")+" >&2; cat /in/out.txt", files("nonce")),
			python,
			&plan.Print{Message: value("used", "output")},
			&plan.Print{Message: value("py", "output")},
		}
	}
	first := w.apply(all()...)
	if want := "from made\n" + w.Name() + w.enclave; first.Messages[0] != want {
		t.Errorf("got %q, want %q", first.Messages[0], want)
	}
	if want := "<-u>\n<-c>\n<print('a')\n# $HOME `x` \"quoted\">\n<two words>\n<$HOME>\n<from made>\n"; first.Messages[1] != want {
		t.Errorf("got %q, want %q", first.Messages[1], want)
	}
	if left := w.containers(); len(left) != 0 || len(first.Services) != 0 {
		t.Errorf("containers of tasks are left: %v", left)
	}
	second := w.apply(all()...)
	for _, decision := range second.Decisions {
		if decision.Action != "keep" {
			t.Errorf("%s %s: %s", decision.Action, decision.Object, decision.Reason)
		}
	}
	if fmt.Sprint(first.Messages) != fmt.Sprint(second.Messages) {
		t.Errorf("messages %q became %q", first.Messages, second.Messages)
	}

	w.fails([]plan.Operation{task("bad", "echo before; exit 7")}, "main.star:1:5", "the script ended with exit code 7, and only 0 is acceptable", "| before")
	if left := w.containers(); left["bad"] == "" {
		t.Error("the container of a failed task must be kept until the next apply")
	}
	w.fails([]plan.Operation{task("slow", "echo begun; sleep 60", func(r *plan.RunTask) { r.Timeout = time.Second })}, "the script did not end within 1s", "| begun")
	w.fails([]plan.Operation{task("lost", "echo x", store)}, "/out", "no such path")
	noShell := task("bare", "echo x")
	noShell.Service.Image.Name = w.image
	w.fails([]plan.Operation{noShell}, "image \""+w.image+"\" has no /bin/sh, or no sleep", "use an image that has a shell")
	w.apply(task("good", "echo done"))
	if left := w.containers(); len(left) != 0 {
		t.Errorf("containers of tasks are left: %v", left)
	}
}
