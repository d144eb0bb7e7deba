package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is a running process of our namespace.
type process struct {
	pid, group    int
	name, command string
}

// processes lists all that run; those that are dead and only wait to be noticed are left out.
func processes() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if item, ok := readProcess(pid); ok {
			found = append(found, item)
		}
	}
	return found
}

func readProcess(pid int) (process, bool) {
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return process{}, false
	}
	// The name stands in parentheses and may hold anything; state and group are the first and third field after it (proc(5)).
	begin, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 3 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, false
	}
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		return process{}, false
	}
	command, err := os.ReadFile(filepath.Join(folder, "cmdline"))
	if err != nil {
		return process{}, false
	}
	return process{pid: pid, group: group, name: string(stat[begin+1 : end]), command: strings.ReplaceAll(string(command), "\x00", " ")}, true
}

// isProvider tells whether a process is the provider that a CLI has started.
func (p process) isProvider() bool {
	program, _, _ := strings.Cut(p.command, " ")
	return strings.HasPrefix(filepath.Base(program), "terraform-provider-sundog")
}

// kill kills the processes of some groups that match and tells how many there were.
func kill(groups []int, match func(process) bool) int {
	count := 0
	for _, item := range processes() {
		for _, group := range groups {
			if item.group == group && match(item) && syscall.Kill(item.pid, syscall.SIGKILL) == nil {
				count++
			}
		}
	}
	return count
}
