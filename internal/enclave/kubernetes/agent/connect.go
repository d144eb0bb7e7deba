//go:build linux

package main

import (
	"syscall"
	"time"
	"unsafe"
)

// What probe prints.
const (
	answerOpen     = "open\n"     // it accepts on the pod's own address and on the loopback one
	answerOwn      = "own\n"      // on its own address only: a port-forward of the API does not get there
	answerLoopback = "loopback\n" // on the loopback address only: other services do not get there
)

// probe tells whether somebody accepts on a TCP port: ADDRESS PORT STABLE-ADDRESS... If stable addresses of
// the service are given it is waited, for a short time, until they lead to the port as well.
func probe(arguments []string) {
	if len(arguments) < 2 {
		fail(codeFailed, "probe needs an address and a port")
	}
	own, port := parseAddress(arguments[0]), number(arguments[1])
	ownErr := tryTCP(own, port)
	loopback := tryTCP(address{ip4: [4]byte{127, 0, 0, 1}}, port)
	if loopback != nil {
		if err := tryTCP(address{ip6: [16]byte{15: 1}, six: true}, port); err == nil {
			loopback = nil
		}
	}
	if ownErr == nil {
		for _, stable := range arguments[2:] {
			awaitStable(parseAddress(stable), port)
		}
	}
	switch {
	case ownErr == nil && loopback == nil:
		writeAll(1, []byte(answerOpen))
	case ownErr == nil:
		writeAll(1, []byte(answerOwn))
	case loopback == nil:
		writeAll(1, []byte(answerLoopback))
	default:
		fail(codeRefused, ownErr.Error())
	}
}

// stableTime bounds the wait for the stable address. Where the network lets no pod reach itself by it, that is all that is
// lost.
const stableTime = 2500 * time.Millisecond

func awaitStable(stable address, port int) {
	done := make(chan bool, 1)
	go func() {
		for tryTCP(stable, port) != nil {
			time.Sleep(30 * time.Millisecond)
		}
		done <- true
	}()
	select {
	case <-done:
	case <-time.After(stableTime):
	}
}

// address is an IP address.
type address struct {
	ip4 [4]byte
	ip6 [16]byte
	six bool
}

func (a address) family() int {
	if a.six {
		return syscall.AF_INET6
	}
	return syscall.AF_INET
}

func (a address) socket(port int) syscall.Sockaddr {
	if a.six {
		return &syscall.SockaddrInet6{Port: port, Addr: a.ip6}
	}
	return &syscall.SockaddrInet4{Port: port, Addr: a.ip4}
}

// parseAddress reads an address as hexadecimal bytes, 4 or 16 of them.
func parseAddress(text string) address {
	var bytes [16]byte
	if len(text) != 8 && len(text) != 32 {
		fail(codeFailed, text+" is no address")
	}
	for i := range len(text) {
		var digit byte
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digit = c - '0'
		case c >= 'a' && c <= 'f':
			digit = c - 'a' + 10
		default:
			fail(codeFailed, text+" is no address")
		}
		bytes[i/2] = bytes[i/2]<<4 | digit
	}
	if len(text) == 32 {
		return address{ip6: bytes, six: true}
	}
	return address{ip4: [4]byte(bytes[:4])}
}

func tryTCP(to address, port int) error {
	fd, err := open(to, syscall.SOCK_STREAM, port)
	if err == nil {
		closeFile(fd)
	}
	return err
}

// open connects a socket, or gives up after some seconds.
func open(to address, kind, port int) (int, error) {
	fd, err := syscall.Socket(to.family(), kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	patience := syscall.Timeval{Sec: 3}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &patience)
	if err := syscall.Connect(fd, to.socket(port)); err != nil {
		closeFile(fd)
		return 0, err
	}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{})
	return fd, nil
}

// connect joins input and output with a port: ADDRESS PORT. A zero byte on the output tells that it is connected.
// Datagrams go as two bytes of length, high one first, and content.
func connect(transport string, arguments []string) {
	if len(arguments) != 2 {
		fail(codeFailed, transport+" needs an address and a port")
	}
	kind := syscall.SOCK_STREAM
	if transport == "udp" {
		kind = syscall.SOCK_DGRAM
	}
	fd, err := open(parseAddress(arguments[0]), kind, number(arguments[1]))
	if err != nil {
		fail(codeRefused, err.Error())
	}
	if err := writeAll(1, []byte{0}); err != nil {
		return
	}
	done := make(chan bool, 1)
	go func() {
		if kind == syscall.SOCK_STREAM {
			pump(0, fd)
			_ = syscall.Shutdown(fd, syscall.SHUT_WR)
			return
		}
		sendDatagrams(fd)
		// Whoever has closed the input waits for no answer.
		done <- true
	}()
	go func() {
		if kind == syscall.SOCK_STREAM {
			pump(fd, 1)
		} else {
			receiveDatagrams(fd)
		}
		done <- true
	}()
	<-done
}

func pump(from, to int) {
	buffer := make([]byte, bufferSize)
	for {
		count, err := descriptor(from).Read(buffer)
		if err != nil || writeAll(to, buffer[:count]) != nil {
			return
		}
	}
}

func sendDatagrams(fd int) {
	buffer := make([]byte, 2+1<<16)
	for fill(buffer[:2]) {
		size := int(buffer[0])<<8 | int(buffer[1])
		if !fill(buffer[:size]) {
			return
		}
		// A datagram that is not taken is lost, as they are.
		_, _ = syscall.Write(fd, buffer[:size])
	}
}

func fill(buffer []byte) bool { return fillFrom(0, buffer) }

func receiveDatagrams(fd int) {
	buffer := make([]byte, 2+1<<16)
	for {
		count, err := syscall.Read(fd, buffer[2:])
		if err == syscall.EINTR || err == syscall.ECONNREFUSED {
			continue
		}
		if err != nil || count > 1<<16-1 {
			return
		}
		buffer[0], buffer[1] = byte(count>>8), byte(count) //nolint:gosec // It was checked.
		if writeAll(1, buffer[:2+count]) != nil {
			return
		}
	}
}

// guard stands beside a service in its pod. When the pod is asked to end it fails, so that Kubernetes does not take a
// service that was drained and ended without an error for one that has done its work; when the service has ended by
// itself there is nothing to guard. Pods share one process namespace, in which the first process is the pod's own.
//
// A service and its guard are asked to end separately, and on a busy node the service may be asked, and be gone, well before the
// guard hears of it. So the guard stays for a while; whoever looks at the service sees that it has ended all the same.
func guard() {
	syscall.Umask(0)
	ended := make(chan bool)
	go func() {
		for {
			process := otherProcess()
			if process == 0 {
				ended <- true
				return
			}
			await(process)
		}
	}()
	asked := make(chan bool)
	go func() {
		awaitTermination()
		asked <- true
	}()
	select {
	case <-ended:
	case <-asked:
		syscall.Exit(codeFailed)
	}
	select {
	case <-time.After(guardTime):
		syscall.Exit(0)
	case <-asked:
		syscall.Exit(codeFailed)
	}
}

// guardTime is how long after a service's end its guard may still be told that it was asked for.
const guardTime = 5 * time.Second

// otherProcess finds a process that is neither the pod's first one nor the guard; 0 if there is none.
func otherProcess() int {
	own := syscall.Getpid()
	// A process that is about to make another one may be gone in between.
	for range 2 {
		found, errno := names("/proc")
		if errno != 0 {
			fail(codeFailed, "/proc: "+errno.Error())
		}
		for _, name := range found {
			if name[0] < '0' || name[0] > '9' {
				continue
			}
			if process := number(name); process != 1 && process != own && !isZombie(name) {
				return process
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return 0
}

func isZombie(process string) bool {
	stat, errno := readFile("/proc/" + process + "/stat")
	if errno != 0 {
		return true
	}
	for i := len(stat) - 1; i > 0; i-- {
		if stat[i] == ')' {
			return i+2 < len(stat) && (stat[i+2] == 'Z' || stat[i+2] == 'X')
		}
	}
	return false
}

const (
	sysPidfdOpen = 434 // the same on all architectures
	pollIn       = 1
)

// await returns when a process has ended.
func await(process int) {
	fd, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(process), 0, 0)
	if errno != 0 {
		// An old system, or the process is gone: look again soon.
		time.Sleep(200 * time.Millisecond)
		return
	}
	defer closeFile(int(fd))
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: pollIn} //nolint:gosec // Descriptors are small.
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, 0, 0, 0, 0) //nolint:gosec // The system call takes an address.
		if errno != syscall.EINTR {
			return
		}
	}
}
