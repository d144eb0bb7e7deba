package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listening is a TCP socket's state in the kernel's tables; a UDP socket that is bound has the other one.
const (
	listening = "0A"
	bound     = "07"
)

// portProcess says which process of this machine has a port, where the system lets us see it.
func portProcess(transport string, number int) string {
	inodes := map[string]bool{}
	for _, table := range []string{strings.ToLower(transport), strings.ToLower(transport) + "6"} {
		for _, inode := range socketsOf("/proc/net/"+table, number) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // The pattern is right.
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			continue
		}
		return fmt.Sprintf("the process %q (number %s)", strings.TrimSpace(string(name)), pid)
	}
	return "a process of this machine that belongs to another user"
}

// socketsOf finds the sockets that wait at a port in one of the kernel's tables.
func socketsOf(table string, number int) []string {
	text, err := os.ReadFile(table)
	if err != nil {
		return nil
	}
	const localField, stateField, inodeField = 1, 3, 9
	var inodes []string
	for line := range strings.SplitSeq(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) <= inodeField || fields[stateField] != listening && fields[stateField] != bound {
			continue
		}
		_, port, found := strings.Cut(fields[localField], ":")
		if value, err := strconv.ParseUint(port, 16, 16); found && err == nil && int(value) == number {
			inodes = append(inodes, fields[inodeField])
		}
	}
	return inodes
}
