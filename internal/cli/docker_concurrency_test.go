package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/enclavetest"
)

// argumentsVariable makes this test program the command itself, in place of running tests: processes of their own can be
// interrupted and killed.
const argumentsVariable = "SUNDOG_TEST_ARGUMENTS"

func TestMain(m *testing.M) {
	text := os.Getenv(argumentsVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var arguments []string
	err := json.Unmarshal([]byte(text), &arguments)
	if err == nil {
		root := New("test")
		root.SetArgs(arguments)
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = root.ExecuteContext(ctx)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", Message(err))
	}
	os.Exit(ExitCode(err))
}

// process is the command in a process of its own.
type process struct {
	*testing.T
	command *exec.Cmd
	text    bytes.Buffer
	ended   chan struct{}
	err     error
}

func startProcess(t *testing.T, arguments ...string) *process {
	t.Helper()
	text, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{T: t, command: exec.CommandContext(t.Context(), os.Args[0]), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), argumentsVariable+"="+string(text))
	p.command.Stdout, p.command.Stderr = &p.text, &p.text
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.ended
	})
	return p
}

// wait gives the end within a time; what takes longer hangs.
func (p *process) wait(limit time.Duration) (text string, err error) {
	p.Helper()
	select {
	case <-p.ended:
		return p.text.String(), p.err
	case <-time.After(limit):
		_ = p.command.Process.Kill()
		<-p.ended
		p.Fatalf("it has not ended within %s: %s", limit, p.text.String())
		return "", nil
	}
}

func (p *process) signal(what syscall.Signal) {
	p.Helper()
	if err := p.command.Process.Signal(what); err != nil {
		p.Fatal(err)
	}
}

// taggedPackage is a package whose services all have one tag, with a pause between them.
func taggedPackage(t testing.TB) string {
	t.Helper()
	return writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/tagged\n", "main.star": `def run(plan, image, program, tag, pause):
    for i in range(3):
        name = "s%d" % i
        plan.add_service(name, ServiceConfig(image=image, entrypoint=[program], cmd=["serve"], env_vars={"TAG": tag}))
        if i == 1:
            plan.exec(name, ExecRecipe(command=[program, "sleep", pause]))
`})
}

// tags gives the tag of each service, as the services themselves tell it.
func (w *world) tags(name string) string {
	w.Helper()
	var tags []string
	for i := range 3 {
		tags = append(tags, w.ok("exec", name, "s"+strconv.Itoa(i), "--", enclavetest.ServiceProgram, "env", "TAG"))
	}
	return strings.Join(tags, " ")
}

// awaitService returns once an apply has come so far that the service runs.
func (w *world) awaitService(name, service string) {
	w.Helper()
	deadline := time.Now().Add(time.Minute)
	for w.run("exec", name, service, "--", enclavetest.ServiceProgram, "echo").code != 0 {
		if time.Now().After(deadline) {
			w.Fatalf("service %s does not come", service)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestDockerTwoCommandsOnOneEnclave has several processes apply at the same time.
func TestDockerTwoCommandsOnOneEnclave(t *testing.T) {
	w, name, args := dockerWorld(t)
	folder := taggedPackage(t)
	apply := func(enclave, tag, pause string) *process {
		t.Helper()
		return startProcess(t, "run", folder, "--enclave", enclave, "--args", strings.TrimSuffix(args, "}")+fmt.Sprintf(`, "tag": %q, "pause": %q}`, tag, pause))
	}
	const limit = time.Minute

	first := apply(name, "one", "20s")
	w.awaitService(name, "s1")
	second := apply(name, "two", "0s")
	impatient := apply(name, "three", "0s")
	// Applies on other enclaves do not wait.
	other := name + "x"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if result := w.start(ctx, "", "enclave", "rm", other); result.code != 0 {
			t.Errorf("%+v", result)
		}
	})
	if text, err := apply(other, "other", "0s").wait(limit); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	select {
	case <-first.ended:
		t.Error("the first apply has ended before the one on another enclave")
	default:
	}
	impatient.signal(syscall.SIGINT)
	text, err := impatient.wait(limit)
	if err == nil {
		t.Error("an apply that was interrupted while it waited must fail")
	}
	contains(t, text, testOwner, fmt.Sprintf("process %d", first.command.Process.Pid), name)
	if text, err := first.wait(limit); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if text, err := second.wait(limit); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if tags := w.tags(name); tags != "two two two" {
		t.Errorf("the services are a mix of two applies: %s", tags)
	}

	// Whoever is killed holds up nobody.
	killed := apply(name, "killed", "1h")
	w.awaitTag(name, "s1", "killed")
	waiting := apply(name, "four", "0s")
	time.Sleep(time.Second)
	killed.signal(syscall.SIGKILL)
	<-killed.ended
	begun := time.Now()
	if text, err := waiting.wait(limit); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	t.Logf("the next apply was done %s after the kill", time.Since(begun).Round(time.Millisecond))
	if tags := w.tags(name); tags != "four four four" {
		t.Errorf("the services are a mix of two applies: %s", tags)
	}

	// Runs of their own go side by side.
	side := startProcess(t, "run", folder, "--enclave", name, "--name", "again", "--args", strings.TrimSuffix(args, "}")+`, "tag": "x", "pause": "0s"}`)
	text, err = side.wait(limit)
	if err == nil {
		t.Error("a service of another run must be refused")
	}
	contains(t, text, `belongs to the run "tagged"`)
}

// awaitTag returns once a service has a tag.
func (w *world) awaitTag(name, service, tag string) {
	w.Helper()
	deadline := time.Now().Add(time.Minute)
	for w.run("exec", name, service, "--", enclavetest.ServiceProgram, "env", "TAG").output != tag {
		if time.Now().After(deadline) {
			w.Fatalf("service %s does not get the tag %q", service, tag)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
