// Package lockholder tells whether whoever holds a lock is still there, without asking anybody: a process that was killed
// cannot release what it holds, and the next one on the same machine need not wait for it to fall silent.
package lockholder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Process names one process so that another one on the same machine can tell whether it still runs.
type Process struct {
	// Machine is the boot and the process namespace; empty where that cannot be told.
	Machine string `json:"machine,omitempty"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	// Started keeps a new process apart from a dead one with the same number.
	Started string `json:"started,omitempty"`
	// Hold tells the process itself whether it still holds the lock, or could not release it.
	Hold string `json:"hold,omitempty"`
}

// This is the process that asks.
func This() Process {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	process := Process{Host: host, PID: os.Getpid(), Machine: Machine()}
	process.Started, _ = Started(process.PID)
	return process
}

// Alive tells whether the process runs; known is false when it cannot be told from here.
func (p Process) Alive() (alive, known bool) {
	if p.Machine == "" || p.Started == "" || p.Machine != Machine() {
		return false, false
	}
	started, err := Started(p.PID)
	if errors.Is(err, os.ErrNotExist) {
		return false, true
	}
	if err != nil {
		return false, false
	}
	return started == p.Started, true
}

// Alive tells the same of a process in JSON, as it stands on a lock.
func Alive(text string) (alive, known bool) {
	var process Process
	if err := json.Unmarshal([]byte(text), &process); err != nil {
		return false, false
	}
	return process.Alive()
}

// Machine names this boot of this machine and this process namespace, or is empty where the system does not tell.
func Machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + namespace
}

// Started is when a process was started, in ticks since the machine's start; os.ErrNotExist if there is none.
func Started(pid int) (string, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	// The second field is the command's name in parentheses, which may itself hold spaces and parentheses. State is
	// field 3 and start time field 22 (proc(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const stateField, startField = 0, 22 - 3
	if len(fields) <= startField {
		return "", fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	if fields[stateField] == "Z" || fields[stateField] == "X" {
		// A zombie holds nothing any more; it only waits for its parent to notice.
		return "", os.ErrNotExist
	}
	return fields[startField], nil
}
