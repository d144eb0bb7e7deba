package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The engine and the wire in front of it live in a /run of our own, which is memory: the daemon waits for a disk more than
// for all else, and is killed no less hard without one.
const (
	engineFolder = "/run/sundog-chaos"
	engineSocket = engineFolder + "/engine.sock"
	wireSocket   = engineFolder + "/wire.sock"
)

// engine is a Docker daemon of our own. It may be killed.
type engine struct {
	folder, cgroup string
	api            *api
	process        *exec.Cmd
	ended          chan struct{}
	// survivors tells that containers outlive the daemon (live-restore).
	survivors bool
	// unsound tells that it takes free host ports for allocated; a new start mends it.
	unsound bool
}

const engineTime = 90 * time.Second

// start starts the daemon and returns once it answers.
func (e *engine) start(ctx context.Context, survivors bool) error {
	e.survivors, e.unsound = survivors, false
	if err := os.MkdirAll(engineFolder, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(e.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // The daemon has its own.
	// The configuration of the machine's own engine must not count.
	configuration := filepath.Join(engineFolder, "daemon.json")
	if err := os.WriteFile(configuration, []byte("{}"), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(log, "--- start, live-restore %t\n", survivors)
	// It is not bound to a context: it is we who end it.
	arguments := []string{
		"--config-file", configuration, "--host", "unix://" + engineSocket,
		"--data-root", engineFolder + "/data", "--exec-root", engineFolder + "/exec", "--pidfile", engineFolder + "/engine.pid",
		"--cgroup-parent", e.cgroup, "--shutdown-timeout", "20", fmt.Sprintf("--live-restore=%t", survivors),
	}
	e.process = exec.CommandContext(context.WithoutCancel(ctx), "dockerd", arguments...) //nolint:gosec // The folders are our own.
	e.process.Stdout, e.process.Stderr = log, log
	e.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.process.Start(); err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	ended, process := make(chan struct{}), e.process
	e.ended = ended
	go func() {
		_ = process.Wait() // How it ended is in its log.
		close(ended)
	}()
	deadline := time.Now().Add(engineTime)
	for e.api.ping(ctx) != nil {
		select {
		case <-ended:
			return errors.New("dockerd has ended at once: see dockerd.log")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("dockerd does not answer within %s: see dockerd.log", engineTime)
		}
	}
	return nil
}

// end ends the daemon, by force or by asking, and returns once it is gone.
func (e *engine) end(force bool) error {
	signal := syscall.SIGTERM
	if force {
		signal = syscall.SIGKILL
	}
	if err := e.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end dockerd: %w", err)
	}
	select {
	case <-e.ended:
	case <-time.After(engineTime):
		return fmt.Errorf("dockerd does not end within %s", engineTime)
	}
	// A daemon that was killed leaves its id behind. Another process may have the same number by now, and a daemon that
	// finds it alive does not start.
	if err := os.Remove(engineFolder + "/engine.pid"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return e.endContainerd()
}

// endContainerd waits for the daemon's own containerd, which goes with it.
func (e *engine) endContainerd() error {
	deadline := time.Now().Add(engineTime)
	for {
		running := 0
		for _, process := range processes() {
			if process.name == "containerd" && strings.Contains(process.command, engineFolder+"/") {
				running++
			}
		}
		if running == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the daemon's containerd does not end within %s", engineTime)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (e *engine) log() string { return filepath.Join(e.folder, "dockerd.log") }

// logged is how much the daemon has logged so far.
func (e *engine) logged() int64 {
	info, err := os.Stat(e.log())
	if err != nil {
		return 0
	}
	return info.Size()
}

// lostPorts tells whether the daemon has refused a host port since a place in its log. All that listens in its network is
// its own, and no two services want the same port; so it is wrong.
func (e *engine) lostPorts(since int64) bool {
	content, err := os.ReadFile(e.log())
	return err == nil && strings.Contains(string(content[min(since, int64(len(content))):]), "port is already allocated")
}
