package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// childVariable makes this test program do one job and end, in place of running tests: some tests need a process that
// they can kill.
const childVariable = "SUNDOG_TEST_CHILD"

// childJob is what a child does.
type childJob struct {
	// Kind is "create" (an enclave with a service in it), "replace" (the service), "remove" (the enclave), "lock" (hold a
	// lock until killed) or "bridge" (stand for ssh: join stdin and stdout with a socket).
	Kind    string
	Host    string
	Enclave string
	Request *enclave.ServiceRequest
	Socket  string
}

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	if err := runChild(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(text string) error {
	var job childJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	ctx := context.Background()
	backend := New(Options{Host: job.Host})
	switch job.Kind {
	case "create":
		if _, err := backend.CreateEnclave(ctx, enclave.Spec{Name: job.Enclave, Owner: testOwner}); err != nil {
			return err
		}
		return createAndStart(ctx, backend, job.Enclave, *job.Request)
	case "replace":
		return createAndStart(ctx, backend, job.Enclave, *job.Request)
	case "remove":
		return backend.RemoveEnclave(ctx, job.Enclave)
	case "lock":
		if _, err := backend.Lock(ctx, job.Enclave, "run/shop", "a child"); err != nil {
			return err
		}
		fmt.Println("locked")
		time.Sleep(time.Hour)
		return nil
	case "bridge":
		return bridge(job.Socket)
	default:
		return fmt.Errorf("unknown job %q", job.Kind)
	}
}

// bridge joins this process's input and output with a socket.
func bridge(socket string) error {
	conn, err := new(net.Dialer).DialContext(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		if half, ok := conn.(*net.UnixConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}

// child prepares a process that does a job.
func child(ctx context.Context, t *testing.T, job childJob) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+string(text))
	return command
}
