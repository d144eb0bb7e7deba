//go:build linux

// Agent is the one helper that Sundog needs inside a pod: a static program that works in any image, an empty one too. It
// unpacks files artifacts, keeps large ones, copies paths out, gives commands an environment, tells whether a port is open, and stands guard
// beside a service. It uses neither fmt nor os nor net, as it has to fit into two ConfigMaps (see the package split).
package main

import "syscall"

// The exit codes by which the agent itself speaks.
const (
	codeFailed   = 96 // it could not do what it was asked
	codeNotFound = 97 // the path is not there
	codeCannot   = 98 // the command could not be run
	codeRefused  = 99 // nothing accepted on the port
)

func main() {
	arguments := commandLine()
	if len(arguments) < 2 {
		fail(codeFailed, "it needs a command")
	}
	rest := arguments[2:]
	switch arguments[1] {
	case "files":
		files(rest)
	case "store":
		store(rest)
	case "copy":
		copyOut(rest)
	case "exec":
		execute(rest)
	case "probe":
		probe(rest)
	case "tcp", "udp":
		connect(arguments[1], rest)
	case "guard":
		guard()
	default:
		fail(codeFailed, "it does not know the command "+arguments[1])
	}
}

// commandLine reads the arguments without package os.
func commandLine() []string {
	text, errno := readFile("/proc/self/cmdline")
	if errno != 0 {
		fail(codeFailed, "read the command line: "+errno.Error())
	}
	return splitZero(text)
}

// environment is what the process was given.
func environment() []string {
	text, errno := readFile("/proc/self/environ")
	if errno != 0 {
		fail(codeFailed, "read the environment: "+errno.Error())
	}
	return splitZero(text)
}

func splitZero(text []byte) []string {
	var parts []string
	begin := 0
	for i, b := range text {
		if b == 0 {
			parts = append(parts, string(text[begin:i]))
			begin = i + 1
		}
	}
	return parts
}

// fail ends the agent with a message.
func fail(code int, message string) {
	writeAll(2, []byte("sundog agent: "+message+"\n"))
	syscall.Exit(code)
}

// number reads a decimal number.
func number(text string) int {
	value := 0
	for _, r := range text {
		if r < '0' || r > '9' || value > 1<<53 {
			fail(codeFailed, text+" is no number")
		}
		value = value*10 + int(r-'0')
	}
	return value
}
