package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// stayAlive keeps a task's container until its script has run and its files were copied. It ends at once when asked to,
// and by itself where the image has no sleep.
const stayAlive = `trap 'exit 0' TERM INT; while sleep 86400 & wait $!; do :; done`

// runPython finds the interpreter and gives it the script and the arguments as they are, without another round of
// quoting.
const runPython = `exec "$(command -v python3 || command -v python)" -u -c "$@" 2>&1`

// installPython does the same for the packages.
const installPython = `exec "$(command -v python3 || command -v python)" -m pip install --quiet --disable-pip-version-check --no-input -- "$@" 2>&1`

// runShell runs a script by the shell itself. Like those above it leaves one output: the order in which two arrive is
// nobody's.
const runShell = `exec "$0" -c "$1" 2>&1`

const shell = "/bin/sh"

// runTask runs a script in a container of its own.
func (x *execution) runTask(ctx context.Context, i int, operation *plan.RunTask) error {
	if err := x.borrow(ctx, &operation.Service); err != nil {
		return &serviceError{operation.Name, err}
	}
	if err := x.ownService(operation.Name); err != nil {
		return err
	}
	return x.carry(ctx, i, func(ctx context.Context, s *step) (map[string]any, map[string]string, error) {
		return x.carryTask(ctx, s.task)
	})
}

// carryTask makes the container, runs the script and stores its files. The container goes when all went well; otherwise
// it stays until the next apply, to be looked at.
func (x *execution) carryTask(ctx context.Context, run *taskRun) (fields map[string]any, artifacts map[string]string, err error) {
	name := run.operation.Name
	x.touch()
	if err := x.ahead.awaitArtifacts(ctx, run.artifacts); err != nil {
		return nil, nil, &serviceError{name, err}
	}
	created, err := x.engine.backend.CreateService(ctx, x.request.Enclave, enclave.ServiceRequest{
		Run: x.request.Run, Owner: x.request.Owner, Digest: run.digest, Spec: run.spec, Image: run.image, Artifacts: run.artifacts, Task: true,
	})
	if err != nil {
		return nil, nil, &serviceError{name, fmt.Errorf("make the container of task %q: %w", name, err)}
	}
	x.world.setService(name, created)
	if err := x.startTask(ctx, run); err != nil {
		return nil, nil, err
	}
	fields, err = x.script(ctx, run)
	if err != nil {
		return fields, nil, &serviceError{name, err}
	}
	artifacts = map[string]string{}
	for _, store := range run.store {
		digest, err := x.storeFrom(ctx, name, store.Source)
		if err != nil {
			return fields, nil, &serviceError{name, err}
		}
		artifacts[store.Artifact] = digest
	}
	return fields, artifacts, x.dropService(ctx, name)
}

func (x *execution) startTask(ctx context.Context, run *taskRun) error {
	name := run.operation.Name
	started, err := x.engine.backend.StartService(ctx, x.request.Enclave, name)
	if err != nil {
		if strings.Contains(err.Error(), shell) {
			err = noShell(run, err)
		}
		return &serviceError{name, fmt.Errorf("start task %q: %w", name, err)}
	}
	x.world.setService(name, started)
	return nil
}

// codeNotFound is the code with which a container ends whose command is not there.
const codeNotFound = 127

func noShell(run *taskRun, err error) error {
	return fmt.Errorf("image %q has no %s, or no sleep, by which tasks are run; use an image that has a shell: %w", run.spec.Image.Name, shell, err)
}

// script runs the script itself and gives code and output. The code is the script's own.
func (x *execution) script(ctx context.Context, run *taskRun) (map[string]any, error) {
	operation := run.operation
	if len(run.packages) > 0 {
		command := append([]string{shell, "-c", installPython, operation.Name}, run.packages...)
		code, output, err := x.inTask(ctx, operation.Name, command)
		if err != nil {
			return nil, fmt.Errorf("install packages %s: %w", quoted(run.packages), err)
		}
		if code != 0 {
			return nil, fmt.Errorf("install packages %s: pip ended with exit code %d%s", quoted(run.packages), code, outputText(output))
		}
	}
	command := []string{shell, "-c", runShell, shell, run.script}
	if operation.Kind == plan.TaskPython {
		command = append([]string{shell, "-c", runPython, operation.Name, run.script}, run.args...)
	}
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if operation.Timeout > 0 {
		bounded, cancel = context.WithTimeout(ctx, operation.Timeout)
	}
	defer cancel()
	code, output, err := x.inTask(bounded, operation.Name, command)
	if err != nil {
		if ctx.Err() == nil && errors.Is(bounded.Err(), context.DeadlineExceeded) {
			return nil, fmt.Errorf("the script did not end within %s%s", operation.Timeout, outputText(output))
		}
		if ended := x.ended(ctx, operation.Name); ended != nil && ended.ExitCode == codeNotFound {
			return nil, x.explain(ctx, operation.Name, noShell(run, err))
		} else if ended != nil {
			return nil, x.explain(ctx, operation.Name, fmt.Errorf("the container of the task %s while the script ran: %w", endedHow(ended), err))
		}
		return nil, err
	}
	fields := map[string]any{fieldCode: code, fieldOutput: output}
	if !checkCode(operation.Acceptance, code) {
		return fields, fmt.Errorf("the script ended with exit code %d, and %s%s", code, codesText(operation.Acceptance.Codes), outputText(output))
	}
	return fields, nil
}

// inTask runs a command in a task's container. The output is given even if the command does not end.
func (x *execution) inTask(ctx context.Context, name string, command []string) (code int64, output string, err error) {
	var text lockedBuffer
	result, err := x.engine.backend.Exec(ctx, x.request.Enclave, name, enclave.ExecRequest{Command: command, Output: &text})
	output = strings.ToValidUTF8(text.String(), "\uFFFD")
	if err != nil {
		return 0, output, err
	}
	return int64(result.Code), output, nil
}

// lockedBuffer may be read while a command that was given up still writes.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(data)
}

// String gives what was written so far.
func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}
