//go:build !unix

package locator

import "os/exec"

// detach does nothing: on this system a command has no terminal of its own to leave.
func detach(*exec.Cmd) {}
