package cli

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestLogs(t *testing.T) {
	w := newWorld(t, memory.Hooks{Logs: func(_, service string) string { return service + " one\ntwo\nthree\n" }})
	w.ok("run", webshop(t), "--enclave", "dev")
	if output := w.ok("logs", "dev", "db"); output != "db one\ntwo\nthree\n" {
		t.Errorf("%q", output)
	}
	if output := w.ok("logs", "dev", "db", "--tail", "2", "--since", "5m"); output != "two\nthree\n" {
		t.Errorf("%q", output)
	}
	w.fails(ExitFailure, []string{"logs", "dev", "api"}, `"api"`, "not found", "sundog enclave inspect")
	w.fails(ExitUsage, []string{"logs", "dev", "db", "--tail", "0"}, "--tail")
	w.fails(ExitUsage, []string{"logs", "dev", "db", "--since", "yesterday"}, "yesterday")
}

func TestSince(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{"": {}, "90m": now.Add(-90 * time.Minute), "2029-01-01T00:00:00Z": time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
	if _, err := parseSince("-5m", now); ExitCode(err) != ExitUsage {
		t.Error(err)
	}
}

func TestExecHasTheStatusOfTheCommand(t *testing.T) {
	var asked enclave.ExecRequest
	w := newWorld(t, memory.Hooks{Exec: func(_ context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
		asked = request
		if request.Command[0] == "migrate" {
			return &enclave.ExecResult{}, nil
		}
		text := strings.Join(request.Command, " ") + "\n"
		if request.Stdin != nil {
			input, err := io.ReadAll(request.Stdin)
			if err != nil {
				return nil, err
			}
			text += string(input)
		}
		return &enclave.ExecResult{Output: text, Code: len(request.Command)}, nil
	}})
	w.ok("run", webshop(t), "--enclave", "dev")
	result := w.run("exec", "-e", "A=1", "dev", "db", "--", "ls", "-l", "--", "/")
	if result.code != 4 || result.output != "ls -l -- /\n" || result.message != "" || asked.Env["A"] != "1" || asked.Stdin != nil {
		t.Errorf("%+v %+v", result, asked)
	}
	if result := w.run("exec", "dev", "db", "ls", "-f"); result.code != 2 || result.output != "ls -f\n" {
		t.Errorf("the flags after the service are the command's: %+v", result)
	}
	if result := w.start(t.Context(), "typed", "exec", "-i", "dev", "db", "--", "cat"); result.code != 1 || result.output != "cat\ntyped" {
		t.Errorf("%+v", result)
	}
	w.backend.Kill("dev", "db", 9)
	w.fails(ExitFailure, []string{"exec", "dev", "db", "--", "ls"}, "not running", "9")
	w.fails(ExitUsage, []string{"exec", "dev", "db", "--"}, "no command")
	w.fails(ExitUsage, []string{"exec", "dev", "db"}, "3 arg")
}

func TestPort(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/dns\n", "main.star": `def run(plan):
    plan.add_service("dns", ServiceConfig(image="test/service:1", ports={
        "dns": PortSpec(number=53, transport_protocol="UDP", wait=None),
        "http": PortSpec(number=8080, application_protocol="http", wait=None),
    }))
    plan.add_service("none", ServiceConfig(image="test/service:1"))
`})
	w.ok("run", folder, "--enclave", "dev")
	address := strings.TrimSpace(w.ok("port", "dev", "dns", "http"))
	if host, port, err := net.SplitHostPort(address); err != nil || host != "127.0.0.1" || port == "0" {
		t.Errorf("%q: %v", address, err)
	}
	if byNumber := strings.TrimSpace(w.ok("port", "dev", "dns", "8080")); byNumber != address {
		t.Errorf("%q is not %q", byNumber, address)
	}
	contains(t, w.ok("port", "dev", "dns"), "dns    53/udp     -      -\n", address)
	ports := decodeInto[[]portDocument](t, w.ok("port", "dev", "dns", "--format", "json"))
	if len(ports) != 2 || ports[0].HostPort != 0 || ports[1].address() != address {
		t.Errorf("%+v", ports)
	}
	if port := decodeInto[portDocument](t, w.ok("port", "dev", "dns", "http", "--format", "json")); port.address() != address {
		t.Errorf("%+v", port)
	}
	w.fails(ExitFailure, []string{"port", "dev", "dns", "dns"}, "not published", "sundog forward dev dns dns")
	w.fails(ExitFailure, []string{"port", "dev", "dns", "grpc"}, `"grpc"`, "dns, http")
	w.fails(ExitFailure, []string{"port", "dev", "none", "grpc"}, "no ports")
}

func TestForward(t *testing.T) {
	var dialled string
	w := newWorld(t, memory.Hooks{Dial: func(_ context.Context, name, service, transport string, port int) (net.Conn, error) {
		dialled = fmt.Sprint(name, " ", service, " ", transport, " ", port)
		near, far := net.Pipe()
		go func() {
			reader := bufio.NewReader(far)
			line, _ := reader.ReadString('\n')
			_, _ = io.WriteString(far, strings.ToUpper(line))
			_ = far.Close()
		}()
		return near, nil
	}})
	w.ok("run", webshop(t), "--enclave", "dev")
	ctx, interrupt := context.WithTimeout(t.Context(), 30*time.Second)
	defer interrupt()
	reader, writer := io.Pipe()
	root := newRoot("1.2.3", w.tools)
	root.SetOut(writer)
	root.SetArgs([]string{"forward", "dev", "db", "sql"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	address, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || string(answer) != "HELLO\n" || dialled != "dev db tcp 5432" {
		t.Errorf("%q %q %v", answer, dialled, err)
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("an interruption is how it ends: %v", err)
	}
}

func TestForwardRefuses(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/dns\n", "main.star": `def run(plan):
    plan.add_service("dns", ServiceConfig(image="test/service:1", ports={"dns": PortSpec(number=53, transport_protocol="UDP", wait=None)}))
`})
	w.ok("run", folder, "--enclave", "dev")
	w.fails(ExitFailure, []string{"forward", "dev", "dns", "dns"}, "UDP", "only TCP")
	w.fails(ExitFailure, []string{"forward", "dev", "dns", "http"}, `"http"`)
	w.fails(ExitUsage, []string{"forward", "dev", "dns", "70000"}, "70000")
	w.fails(ExitUsage, []string{"forward", "dev", "dns", "80", "--listen", "here"}, "--listen")
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w.fails(ExitFailure, []string{"forward", "dev", "dns", "80", "--listen", taken.Addr().String()}, "in use")
}

func TestFiles(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	folder := webshop(t)
	w.ok("run", folder, "--enclave", "dev")
	contains(t, w.ok("files", "ls", "dev"), "config", "shop")
	artifacts := decodeInto[[]artifactDocument](t, w.ok("files", "ls", "dev", "--format", "json"))
	if len(artifacts) != 1 || artifacts[0].Name != "config" {
		t.Error(artifacts)
	}
	files := decodeInto[[]fileDocument](t, w.ok("files", "ls", "dev", "config", "--format", "json"))
	if !slices.ContainsFunc(files, func(file fileDocument) bool {
		return file.Path == "app.conf" && file.Type == "file" && file.Size == 8
	}) {
		t.Errorf("%+v", files)
	}
	contains(t, w.ok("files", "ls", "dev", "config"), "app.conf")
	target := filepath.Join(t.TempDir(), "a", "b")
	if output := w.ok("files", "get", "dev", "config", target); strings.TrimSpace(output) != target {
		t.Errorf("%q", output)
	}
	if content, err := os.ReadFile(filepath.Join(target, "app.conf")); err != nil || string(content) != "tag=one\n" {
		t.Errorf("%q %v", content, err)
	}
}

func TestFilesOfSeveralRuns(t *testing.T) {
	w := newWorld(t, memory.Hooks{})
	files := func(text string) string {
		return writeFiles(t, map[string]string{"kurtosis.yml": "name: github.com/acme/files\n", "main.star": `def run(plan):
    plan.render_templates(name="config", config={"f": struct(template="` + text + `", data={})})
`})
	}
	w.ok("run", files("one"), "--enclave", "dev", "--name", "one")
	w.ok("run", files("two"), "--enclave", "dev", "--name", "two")
	w.fails(ExitFailure, []string{"files", "get", "dev", "config", t.TempDir()}, "--run", "one, two")
	target := t.TempDir()
	w.ok("files", "get", "dev", "config", target, "--run", "two")
	if content, err := os.ReadFile(filepath.Join(target, "f")); err != nil || string(content) != "two" {
		t.Errorf("%q %v", content, err)
	}
	missing := filepath.Join(target, "missing")
	w.fails(ExitFailure, []string{"files", "get", "dev", "data", missing}, `"data"`, "config")
	if _, err := os.Stat(missing); err == nil {
		t.Error("no folder may be left for an artifact that is not there")
	}
}

func TestUnpackingStaysInItsFolder(t *testing.T) {
	parent := t.TempDir()
	for name, entries := range map[string][]tar.Header{
		"parent":  {{Name: "../escaped", Typeflag: tar.TypeReg, Mode: 0o600, Size: 1}},
		"symlink": {{Name: "out", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "out/escaped", Typeflag: tar.TypeReg, Mode: 0o600, Size: 1}},
	} {
		target, err := newUnpacker(filepath.Join(parent, name))
		if err != nil {
			t.Fatal(err)
		}
		var failure error
		for i := range entries {
			if failure == nil {
				failure = target.unpack(&entries[i], bytes.NewReader([]byte("x")))
			}
		}
		if failure == nil {
			t.Errorf("%s: it must be refused", name)
		}
		if err := target.root.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(parent, "escaped")); err == nil {
		t.Error("a file was written outside of the folder")
	}
}
