package docker

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// machine names this boot of this machine and this process namespace, or is empty where the system does not tell.
func machine() string {
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

// processStart is when a process was started, in ticks since the machine's start; os.ErrNotExist if there is none.
func processStart(pid int) (string, error) {
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

// packBeat makes the file whose time of modification shows that a lock's holder is alive.
func packBeat(now time.Time) (io.Reader, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: beatFile, Mode: 0o600, ModTime: now}); err != nil {
		return nil, err
	}
	err := archive.Close()
	return &buffer, err
}
