package enclavetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

var execBehaviours = []behaviour{
	{name: "command runs with its own environment and input", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		run := func(request enclave.ExecRequest) *enclave.ExecResult {
			f.Helper()
			request.Command = append([]string{ServiceProgram}, request.Command...)
			result, err := f.backend.Exec(f.ctx, name, "api", request)
			f.must(err)
			return result
		}
		equal(f, "output", run(enclave.ExecRequest{Command: []string{"echo", "a  b", "$HOME"}}).Output, "a  b $HOME\n")
		equal(f, "code", run(enclave.ExecRequest{Command: []string{"exit", "42"}}).Code, 42)
		equal(f, "code of 127", run(enclave.ExecRequest{Command: []string{"exit", "127"}}).Code, 127)
		equal(f, "variable", run(enclave.ExecRequest{Command: []string{"env", "X"}, Env: map[string]string{"X": "y z"}}).Output, "y z")
		if output := run(enclave.ExecRequest{Command: []string{"both"}}).Output; !strings.Contains(output, "to stdout\n") || !strings.Contains(output, "to stderr\n") {
			f.Errorf("output is %q", output)
		}
		long := strings.Repeat("0123456789", 100_000)
		equal(f, "size of input and output", len(run(enclave.ExecRequest{Command: []string{"stdin"}, Stdin: strings.NewReader(long)}).Output), len(long))
		var output bytes.Buffer
		result := run(enclave.ExecRequest{Command: []string{"echo", "streamed"}, Output: &output})
		equal(f, "streamed output", output.String(), "streamed\n")
		equal(f, "kept output", result.Output, "")
	}},
	{name: "command that cannot run is an error", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		_, err := f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{"/no/such", "s3cret"}})
		Mentions(f, err, `"api"`, "/no/such", "no such file")
		if strings.Contains(err.Error(), "s3cret") {
			f.Errorf("the error shows arguments: %v", err)
		}
		_, err = f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{"/seed/from-image"}})
		Mentions(f, err, "/seed/from-image", "permission denied")
		_, err = f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{})
		Mentions(f, err, `"api"`, "command")
	}},
	{name: "command in a service that does not run says why", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.create(name, "made", nil)
		f.start(name, "ended", command("exit", "9"))
		f.awaitState(name, "ended", enclave.StateExited)
		f.start(name, "stopped", nil)
		f.must(f.backend.StopService(f.ctx, name, "stopped"))
		for service, want := range map[string]string{"made": "created", "ended": "code 9", "stopped": "stopped"} {
			_, err := f.backend.Exec(f.ctx, name, service, enclave.ExecRequest{Command: []string{ServiceProgram, "echo"}})
			Mentions(f, err, service, "not running", want)
			_, err = f.backend.Dial(f.ctx, name, service, "tcp", 80)
			Mentions(f, err, service, "not running", want)
		}
	}},
	{name: "command's output and errors come apart", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		run := func(request enclave.ExecRequest) *enclave.ExecResult {
			f.Helper()
			request.Command = []string{ServiceProgram, "both"}
			result, err := f.backend.Exec(f.ctx, name, "api", request)
			f.must(err)
			return result
		}
		var stdout, stderr, alone bytes.Buffer
		equal(f, "kept output", run(enclave.ExecRequest{Stdout: &stdout, Stderr: &stderr}).Output, "")
		equal(f, "stdout", stdout.String(), "to stdout\n")
		equal(f, "stderr", stderr.String(), "to stderr\n")
		equal(f, "kept output", run(enclave.ExecRequest{Stderr: &alone}).Output, "")
		equal(f, "stderr alone", alone.String(), "to stderr\n")
		// What the runtime has to say is an error, and no output of the command.
		stdout.Reset()
		stderr.Reset()
		_, err := f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{"/no/such"}, Stdout: &stdout, Stderr: &stderr})
		var refused *enclave.CommandError
		if !errors.As(err, &refused) || refused.Code != enclave.CodeNotFound {
			f.Errorf("got error %v, want a CommandError with code 127", err)
		}
		equal(f, "output of a command that was not run", stdout.String()+stderr.String(), "")
		_, err = f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{"/seed/from-image"}})
		if !errors.As(err, &refused) || refused.Code != enclave.CodeNotExecutable {
			f.Errorf("got error %v, want a CommandError with code 126", err)
		}
	}},
	{name: "command that ends does not wait for its input", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		input, writer := io.Pipe()
		defer writer.Close()
		result, err := f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{ServiceProgram, "exit", "5"}, Stdin: input})
		f.must(err)
		equal(f, "code", result.Code, 5)
	}},
	{name: "command gets a terminal whose size follows", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		sizes := make(chan enclave.TerminalSize, 1)
		input, writer := io.Pipe()
		defer writer.Close()
		output := &transcript{}
		ended := make(chan error, 1)
		code := 0
		go func() {
			result, err := f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{
				Command: []string{ServiceProgram, "terminal"}, Stdin: input, Stdout: output, Env: map[string]string{"TERM": "vt100"},
				Terminal: &enclave.Terminal{Size: enclave.TerminalSize{Width: 101, Height: 31}, Resizes: sizes},
			})
			if err == nil {
				code = result.Code
			}
			ended <- err
		}()
		awaitText := func(text string) {
			f.Helper()
			Eventually(f, "the terminal to show "+text, func() (bool, string) { return strings.Contains(output.String(), text), output.String() })
		}
		// The first size may come a moment after the command has been started.
		awaitText("101x31")
		awaitText("TERM=vt100")
		sizes <- enclave.TerminalSize{Width: 77, Height: 22}
		awaitText("77x22")
		_, err := io.WriteString(writer, "typed\r")
		f.must(err)
		awaitText("read typed")
		// The terminal turns the key into a signal.
		_, err = io.WriteString(writer, "\x03")
		f.must(err)
		f.must(<-ended)
		equal(f, "code of what was interrupted", code, 42)
	}},
	{name: "command runs in another folder and as another user", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		result, err := f.backend.Exec(f.ctx, name, "api", enclave.ExecRequest{Command: []string{ServiceProgram, "whoami"}, User: "7:8", WorkingDir: "/seed"})
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		f.must(err)
		equal(f, "user, group and folder", result.Output, "7:8 /seed\n")
	}},
	{name: "command ends with its context", process: true, test: func(f *fixture) {
		name := f.enclave()
		f.start(name, "api", nil)
		ctx, cancel := context.WithTimeout(f.ctx, 300*time.Millisecond)
		defer cancel()
		begun := time.Now()
		_, err := f.backend.Exec(ctx, name, "api", enclave.ExecRequest{Command: []string{ServiceProgram, "sleep", "30s"}})
		f.is(err, context.DeadlineExceeded)
		if time.Since(begun) > 20*time.Second {
			f.Errorf("it took %s", time.Since(begun))
		}
	}},
}

// transcript is an output that may be read while it is written.
type transcript struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (t *transcript) Write(data []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.text.Write(data)
}

func (t *transcript) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.text.String()
}

// awaitPort waits until a service accepts on a port.
func (f *fixture) awaitPort(name, service string, port int) {
	f.Helper()
	Eventually(f, service+" to listen", func() (bool, string) {
		conn, err := f.backend.Dial(f.ctx, name, service, "tcp", port)
		if err != nil {
			return false, err.Error()
		}
		f.must(conn.Close())
		return true, ""
	})
}

// echo sends a line and gives what comes back.
func (f *fixture) echo(conn net.Conn, line string) string {
	f.Helper()
	defer conn.Close()
	f.must(conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err := io.WriteString(conn, line)
	f.must(err)
	answer := make([]byte, len(line))
	_, err = io.ReadFull(conn, answer)
	f.must(err)
	return string(answer)
}

// logs reads a service's logs to their end.
func (f *fixture) logs(name, service string, options enclave.LogOptions) string {
	f.Helper()
	stream, err := f.backend.Logs(f.ctx, name, service, options)
	f.must(err)
	content, err := io.ReadAll(stream)
	f.must(err)
	f.must(stream.Close())
	return string(content)
}

var networkBehaviours = []behaviour{
	{name: "port is open only when the service itself listens", process: true, test: func(f *fixture) {
		name := f.enclave()
		started := f.start(name, "api", both(listen(0, 9090), func(request *enclave.ServiceRequest) {
			request.Spec.Ports["closed"] = plan.Port{Number: 9999, Transport: "TCP"}
			request.Spec.Ports["udp"] = plan.Port{Number: 7777, Transport: "UDP"}
			request.Spec.Cmd = append(request.Spec.Cmd, "-udp", "7777")
		}))
		f.awaitPort(name, "api", 9090)
		conn, err := f.backend.Dial(f.ctx, name, "api", "TCP", 9090)
		f.must(err)
		equal(f, "answer", f.echo(conn, "hello"), "hello")
		_, err = f.backend.Dial(f.ctx, name, "api", "tcp", 9999)
		Mentions(f, err, `"api"`, "9999", "refused")
		conn, err = f.backend.Dial(f.ctx, name, "api", "udp", 7777)
		f.must(err)
		equal(f, "answer to a datagram", f.echo(conn, "ping"), "ping")
		_, err = f.backend.Dial(f.ctx, name, "api", "sctp", 7777)
		Mentions(f, err, "sctp")
		// What is said to be published is.
		conn, err = net.Dial("tcp", net.JoinHostPort(started.Ports["tcp"].Host, strconv.Itoa(started.Ports["tcp"].HostPort)))
		f.must(err)
		equal(f, "answer on the published port", f.echo(conn, "hello"), "hello")
	}},
	{name: "services reach each other by name and alias, not those of other enclaves", process: true, test: func(f *fixture) {
		name, other := f.enclave(), f.enclave()
		f.start(name, "api", both(listen(8080, 0), func(request *enclave.ServiceRequest) {
			request.Spec.Aliases = []string{"db.prod.example.com", "legacy"}
		}))
		f.start(name, "client", nil)
		f.start(other, "stranger", nil)
		f.awaitPort(name, "api", 8080)
		for _, host := range []string{"api", "db.prod.example.com", "legacy"} {
			equal(f, "answer of "+host, f.exec(name, "client", "get", "http://"+host+":8080/"), "api")
		}
		result, err := f.backend.Exec(f.ctx, other, "stranger", enclave.ExecRequest{Command: []string{ServiceProgram, "resolve", "api"}})
		f.must(err)
		if result.Code == 0 {
			f.Errorf("the other enclave resolves the name: %s", result.Output)
		}
		// After a replacement the name leads to the new container.
		f.start(name, "api", listen(8080, 0))
		f.awaitPort(name, "api", 8080)
		equal(f, "answer after replacement", f.exec(name, "client", "get", "http://api:8080/"), "api")
	}},
}
