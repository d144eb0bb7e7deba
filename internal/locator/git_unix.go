//go:build unix

package locator

import (
	"os/exec"
	"syscall"
)

// detach gives a command a session of its own. Without a terminal nothing that git starts can ask a question, and all of
// it can be stopped together.
func detach(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
