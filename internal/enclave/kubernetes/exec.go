package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/remotecommand"
	clientexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// The exit codes by which the agent itself speaks (see the package agent).
const (
	agentNotFound = 97
	agentCannot   = 98
)

// Exec implements enclave.Services. If the context ends first the command goes on in the pod, as the API has no call to end
// it.
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
	of, err := b.running(ctx, conn, name, service)
	if err != nil {
		return nil, err
	}
	if len(request.Command) == 0 {
		return nil, errors.New("the command has no words")
	}
	command := request.Command
	byAgent := len(request.Env) > 0 || request.User != "" || request.WorkingDir != ""
	if byAgent {
		command = []string{agentProgram, "exec", request.WorkingDir, request.User}
		for _, key := range slices.Sorted(maps.Keys(request.Env)) {
			command = append(command, key+"="+request.Env[key])
		}
		command = append(append(command, "--"), request.Command...)
	}
	var text bytes.Buffer
	streams, complaint := streamsOf(request, &text, byAgent)
	code, err := conn.run(ctx, of.pod, command, streams)
	if err != nil {
		return nil, b.explainExec(ctx, conn, name, service, err)
	}
	if reason, refused := complaint.refusal(); refused && code == agentCannot {
		return nil, commandError(reason)
	}
	if err := complaint.flush(); err != nil {
		return nil, err
	}
	return &enclave.ExecResult{Code: code, Output: text.String()}, nil
}

// streamsOf joins a command's streams with what the request asks for. What the agent itself says does not get there.
func streamsOf(request enclave.ExecRequest, text io.Writer, byAgent bool) (remotecommand.StreamOptions, *complaintFilter) {
	streams := remotecommand.StreamOptions{Stdin: request.Stdin}
	stdout, stderr := io.Discard, io.Discard
	switch {
	case request.Output != nil:
		stdout = &lockedWriter{target: request.Output}
		stderr = stdout
	case request.Stdout != nil || request.Stderr != nil:
		if request.Stdout != nil {
			stdout = request.Stdout
		}
		if request.Stderr != nil {
			stderr = request.Stderr
		}
	default:
		stdout = &lockedWriter{target: text}
		stderr = stdout
	}
	filter := &complaintFilter{target: stderr, open: !byAgent}
	if request.Terminal != nil {
		filter.target = stdout
		streams.Stdout, streams.Tty, streams.TerminalSizeQueue = filter, true, newSizes(request.Terminal)
		return streams, filter
	}
	streams.Stdout, streams.Stderr = stdout, filter
	return streams, filter
}

// commandError tells that a command could not be run, with the code by which shells say why.
func commandError(reason string) error {
	code := enclave.CodeNotExecutable
	if strings.Contains(reason, "no such file") || strings.Contains(reason, "not found in $PATH") {
		code = enclave.CodeNotFound
	}
	return &enclave.CommandError{Code: code, Err: errors.New(reason)}
}

// run runs a command in the service's container to its end, over a web socket, or SPDY where there is a proxy that knows no
// web sockets.
func (c *connection) run(ctx context.Context, pod *corev1.Pod, command []string, streams remotecommand.StreamOptions) (code int, err error) {
	query := url.Values{"container": {containerService}, "command": command}
	for name, wanted := range map[string]bool{"stdin": streams.Stdin != nil, "stdout": streams.Stdout != nil, "stderr": streams.Stderr != nil, "tty": streams.Tty} {
		if wanted {
			query.Set(name, "true")
		}
	}
	target := c.rest.Get().AbsPath(pods.path(pod.Namespace, pod.Name) + "/exec").URL()
	target.RawQuery = query.Encode()
	lasting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go c.endWithPod(lasting, pod, endPause, giveUp)
	err = untilNodeAnswers(lasting, func() error {
		executor, err := c.executor(target)
		if err != nil {
			return err
		}
		return executor.StreamWithContext(lasting, streams)
	})
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if cause := context.Cause(lasting); cause != nil {
		return 0, cause
	}
	if ended, ok := errors.AsType[clientexec.CodeExitError](err); ok {
		return ended.Code, nil
	}
	return 0, c.translate(ctx, err)
}

func (c *connection) executor(target *url.URL) (remotecommand.Executor, error) {
	socket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", target.String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", target)
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(socket, spdy, needsFallback)
}

func needsFallback(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// runtimeNoise is what stands before the reason in the runtime's message.
var runtimeNoise = regexp.MustCompile(`^.*(exec failed|unable to start container process): `)

// explainExec says why a command could not be run: the service may have ended meanwhile.
func (b *Backend) explainExec(ctx context.Context, conn *connection, name, service string, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, err := b.running(ctx, conn, name, service); err != nil {
		return err
	}
	if text := cause.Error(); runtimeNoise.MatchString(text) {
		return commandError(strings.TrimSuffix(runtimeNoise.ReplaceAllString(text, ""), ": unknown"))
	}
	return cause
}

// agent runs the agent in a pod and gives its output. Codes by which it speaks are errors.
func (c *connection) agent(ctx context.Context, pod *corev1.Pod, arguments ...string) (string, error) {
	var output, complaint bytes.Buffer
	code, err := c.run(ctx, pod, append([]string{agentProgram}, arguments...), remotecommand.StreamOptions{Stdout: &output, Stderr: &complaint})
	if err != nil {
		return "", err
	}
	return output.String(), agentError(code, complaint.String())
}

// agentError tells what the agent's exit code means.
func agentError(code int, complaint string) error {
	switch code {
	case 0:
		return nil
	case agentNotFound:
		return fmt.Errorf("%s: %w", describeAgent(complaint), enclave.ErrNotFound)
	default:
		return errors.New(describeAgent(complaint))
	}
}

// lockedWriter takes what two streams write.
type lockedWriter struct {
	mutex  sync.Mutex
	target io.Writer
}

// Write implements io.Writer.
func (w *lockedWriter) Write(data []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.target.Write(data)
}

// prefixWriter keeps the beginning of what is written.
type prefixWriter struct {
	bytes.Buffer
	limit int
}

// Write implements io.Writer.
func (w *prefixWriter) Write(data []byte) (int, error) {
	if room := w.limit - w.Len(); room > 0 {
		w.Buffer.Write(data[:min(room, len(data))])
	}
	return len(data), nil
}
