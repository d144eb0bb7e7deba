package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a program may take to end by itself when the benchmark is interrupted.
const patience = 15 * time.Second

// program is how a peer's command is run.
type program struct {
	folder      string
	environment []string
	// peak is the largest resident memory of any run so far, in bytes.
	peak int64
}

// place is where the environments of all peers are: a Docker Engine or a Kubernetes cluster, or what counts the calls to it.
type place struct{ socket, kubeconfig string }

// isolated is the environment of all peers: the place, and no settings of the user.
func isolated(folder string, at place, more ...string) []string {
	environment := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
	if at.kubeconfig != "" {
		environment = append(environment, "KUBECONFIG="+at.kubeconfig, "SUNDOG_BACKEND=kubernetes")
	} else {
		environment = append(environment, "DOCKER_CONFIG="+filepath.Join(folder, "docker"), "DOCKER_HOST=unix://"+at.socket)
	}
	return append(environment, more...)
}

// run carries out one command. When the context ends it is asked to end first, and killed with all that it started only
// if it does not.
func (p *program) run(ctx context.Context, name string, arguments ...string) error {
	command := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // The programs are those that the command line names.
	command.Dir, command.Env = p.folder, p.environment
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = patience
	err := command.Run()
	if command.Process != nil && ctx.Err() != nil {
		// Whatever the group still has; there may be nothing left.
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
	if command.ProcessState != nil {
		if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
			p.peak = max(p.peak, usage.Maxrss*1024)
		}
	}
	if err != nil {
		err = errors.Join(context.Cause(ctx), err)
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(arguments, " "), err, lastLines(output.String(), 20))
	}
	return nil
}

func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// watchPeak looks again and again for processes of programs in a folder, whoever started them, until stop is called;
// stop gives the largest resident memory that one of them had. It is for untimed runs.
func watchPeak(folder string) (stop func() int64) {
	done, result := make(chan struct{}), make(chan int64)
	go func() {
		var peak int64
		for {
			peak = max(peak, largestPeak(folder))
			select {
			case <-done:
				result <- peak
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(done)
		return <-result
	}
}

func largestPeak(folder string) int64 {
	var peak int64
	links, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is a valid one
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || !strings.HasPrefix(target, folder+"/") {
			continue // another program, or one that has ended
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(link), "status"))
		if err == nil {
			peak = max(peak, peakOf(string(status)))
		}
	}
	return peak
}

// peakOf reads the largest resident memory, in bytes, out of /proc/PID/status.
func peakOf(status string) int64 {
	for line := range strings.Lines(status) {
		text, found := strings.CutPrefix(line, "VmHWM:")
		if !found {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
		if err != nil {
			return 0
		}
		return kilobytes * 1024
	}
	return 0
}
