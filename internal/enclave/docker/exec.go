package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// runtimeFailure begins the text that the container runtime writes in place of a command's output.
const runtimeFailure = "OCI runtime exec failed"

// runtimeGone is what it writes instead where the container ended between the engine's look at it and the command.
var runtimeGone = regexp.MustCompile(`^((task|container|process) [0-9a-f]{64} not found|cannot exec in an? [a-z]+ (state|process)|OCI runtime exec failed: .*container that has stopped)`)

// Exec implements enclave.Services. If the context ends first the command goes on in the container, as the engine has no
// call to end it.
func (b *Backend) Exec(ctx context.Context, name, service string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
	conn, err := b.connect()
	if err != nil {
		return nil, err
	}
	result, err := b.exec(ctx, conn, name, service, request)
	if err != nil {
		return nil, fmt.Errorf("run %s in service %q of enclave %q: %w", request.Title(), service, name, err)
	}
	return result, nil
}

func (b *Backend) exec(ctx context.Context, conn *connection, name, service string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
	if len(request.Command) == 0 {
		return nil, errors.New("the command has no words")
	}
	options := client.ExecCreateOptions{
		Cmd: request.Command, User: request.User, WorkingDir: request.WorkingDir, TTY: request.Terminal != nil,
		AttachStdout: true, AttachStderr: true, AttachStdin: request.Stdin != nil,
	}
	for _, key := range slices.Sorted(maps.Keys(request.Env)) {
		options.Env = append(options.Env, key+"="+request.Env[key])
	}
	created, err := conn.ExecCreate(ctx, serviceName(name, service), options)
	if err != nil {
		return nil, b.explainExec(ctx, conn, name, service, err)
	}
	streams := newExecStreams(request)
	if err := conn.attach(ctx, created.ID, request, streams); err != nil {
		return nil, b.explainExec(ctx, conn, name, service, err)
	}
	inspected, err := conn.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	if err != nil {
		return nil, b.explainExec(ctx, conn, name, service, err)
	}
	if code := inspected.ExitCode; code == enclave.CodeNotExecutable || code == enclave.CodeNotFound {
		reason := strings.TrimSpace(streams.head.String())
		switch {
		case runtimeGone.MatchString(reason):
			return nil, b.explainEnd(ctx, name, service, reason)
		case strings.HasPrefix(reason, runtimeFailure):
			if strings.Contains(reason, "executable file not found") || strings.Contains(reason, "no such file") {
				code = enclave.CodeNotFound
			}
			return nil, &enclave.CommandError{Code: code, Err: errors.New(reason)}
		}
	}
	if err := streams.release(); err != nil {
		return nil, err
	}
	return &enclave.ExecResult{Code: inspected.ExitCode, Output: streams.text.String()}, nil
}

// attach runs a prepared command to its end.
func (c *connection) attach(ctx context.Context, id string, request enclave.ExecRequest, streams *execStreams) error {
	attached, err := c.ExecAttach(ctx, id, client.ExecAttachOptions{TTY: request.Terminal != nil})
	if err != nil {
		return err
	}
	defer attached.Close()
	// Reading from the connection knows nothing of the context.
	stop := context.AfterFunc(ctx, attached.Close)
	defer stop()
	if request.Terminal != nil {
		following, end := context.WithCancel(ctx)
		defer end()
		go c.followSize(following, id, request.Terminal)
	}
	if request.Stdin != nil {
		go func() {
			// The command may end without having read everything: then writing fails, and that is none of our business.
			_, _ = io.Copy(attached.Conn, request.Stdin)
			_ = attached.CloseWrite()
		}()
	}
	if request.Terminal != nil {
		_, err = io.Copy(streams.stdout, attached.Reader)
	} else {
		_, err = stdcopy.StdCopy(streams.stdout, streams.stderr, attached.Reader)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// explainExec says why a command could not be run: most often the service does not run.
func (b *Backend) explainExec(ctx context.Context, conn *connection, name, service string, err error) error {
	if errdefs.IsConflict(err) || strings.Contains(err.Error(), "is not running") {
		if found, inspectErr := b.Service(ctx, name, service); inspectErr == nil && found.State != enclave.StateRunning {
			return found.NotRunning()
		}
	}
	return conn.translate(err)
}

// explainEnd says how a service ended that was gone when a command was to be run in it. The engine may not have noticed
// yet.
func (b *Backend) explainEnd(ctx context.Context, name, service, reason string) error {
	deadline := time.Now().Add(verdictTime)
	for {
		found, err := b.Service(ctx, name, service)
		if err != nil {
			return err
		}
		if found.State != enclave.StateRunning {
			return found.NotRunning()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return errors.New(reason)
		}
		time.Sleep(verdictPause)
	}
}
