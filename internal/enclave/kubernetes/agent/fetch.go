//go:build linux

package main

import (
	"io"
	"syscall"
	"time"
)

// fetchPatience is how long the store may be away: after a drain it has to come up on another node, and so has its volume.
const fetchPatience = 30 * time.Minute

// remote reads a file of the store, whose address and token are files of a folder. A connection that breaks is made anew
// where it broke.
type remote struct {
	access, file string
	port         int
	fd           int
	open         bool
	known        bool // whether the size is
	offset, size int64
	progress     time.Time
	told         bool
}

// Read implements io.Reader.
func (r *remote) Read(buffer []byte) (int, error) {
	if r.progress.IsZero() {
		r.progress = time.Now()
	}
	for {
		if r.known && r.offset == r.size {
			r.close()
			return 0, io.EOF
		}
		if !r.open {
			r.ask()
			continue
		}
		count, err := descriptor(r.fd).Read(buffer[:min(int64(len(buffer)), r.size-r.offset)])
		if err != nil {
			r.close()
			r.wait()
			continue
		}
		r.offset += int64(count)
		r.progress = time.Now()
		return count, nil
	}
}

func (r *remote) close() {
	if r.open {
		closeFile(r.fd)
		r.open = false
	}
}

// wait passes a moment, if there is still hope.
func (r *remote) wait() {
	if time.Since(r.progress) > fetchPatience {
		fail(codeFailed, "the store of files artifacts does not answer")
	}
	if !r.told {
		r.told = true
		_ = writeAll(2, []byte("sundog agent: waiting for the store of files artifacts\n")) // It only tells.
	}
	time.Sleep(200 * time.Millisecond)
}

// ask connects and asks for what is still missing. What does not answer is asked again.
func (r *remote) ask() {
	address, errno := readFile(r.access + "/address")
	if errno != 0 {
		fail(codeFailed, r.access+": "+errno.Error())
	}
	token, errno := readFile(r.access + "/token")
	if errno != 0 {
		fail(codeFailed, r.access+": "+errno.Error())
	}
	fd, err := open(parseAddress(string(address)), syscall.SOCK_STREAM, r.port)
	if err != nil {
		r.wait()
		return
	}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &sendingTime)
	r.fd, r.open = fd, true
	var answer [8]byte
	asked := string(token) + " " + r.file + " " + decimal(r.offset) + "\n"
	if writeAll(fd, []byte(asked)) != nil || !fillFrom(fd, answer[:]) {
		r.close()
		r.wait()
		return
	}
	var size int64
	for _, b := range answer {
		size = size<<8 | int64(b)
	}
	if size == answerDenied {
		// The token is new, and the store does not know it yet.
		r.close()
		r.wait()
		return
	}
	if size < r.offset {
		fail(codeFailed, "the store of files artifacts has lost this one: apply again, which stores it anew")
	}
	r.size, r.known = size, true
}

func fillFrom(fd int, buffer []byte) bool {
	for len(buffer) > 0 {
		count, err := descriptor(fd).Read(buffer)
		if err != nil {
			return false
		}
		buffer = buffer[count:]
	}
	return true
}
