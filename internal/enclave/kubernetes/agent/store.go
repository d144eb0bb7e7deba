//go:build linux

package main

import (
	"io"
	"syscall"
	"time"
)

// store keeps packed artifacts in a folder, for those that are too large for the cluster's database:
//
//	store serve FOLDER PORT TOKEN-FILE   gives them to other pods
//	store receive FOLDER FILE [KEEP...]  keeps the input as FILE; what nobody needs any more goes: all but KEEP
//	store send FOLDER FILE               writes one to the output
//	store remove FOLDER FILE...          removes some
func store(arguments []string) {
	if len(arguments) < 3 {
		fail(codeFailed, "store: operands are missing")
	}
	operation, folder, rest := arguments[0], arguments[1], arguments[2:]
	var err error
	switch operation {
	case "serve":
		if len(rest) != 2 {
			fail(codeFailed, "store serve needs a folder, a port and a file with a token")
		}
		err = serve(folder, number(rest[0]), rest[1])
	case "receive":
		removeForgotten(folder, rest)
		err = receive(folder, rest[0])
	case "send":
		err = send(folder, rest[0])
	case "remove":
		for _, file := range rest {
			if unlinked := syscall.Unlink(stored(folder, file)); unlinked != nil && unlinked != syscall.ENOENT {
				err = &pathError{file, unlinked}
			}
		}
	default:
		fail(codeFailed, "store: it does not know the operation "+operation)
	}
	if err != nil {
		fail(codeFailed, err.Error())
	}
}

func stored(folder, file string) string { return folder + "/" + base(cleanBelow(file)) }

// forgottenTime is how old a file is that nobody has named in the meantime.
const forgottenTime = time.Hour

// removeForgotten removes what somebody was cut off at.
func removeForgotten(folder string, keep []string) {
	found, _ := names(folder)
	for _, name := range found {
		needed := false
		for _, file := range keep {
			needed = needed || file == name
		}
		var info syscall.Stat_t
		path := folder + "/" + name
		if needed || syscall.Lstat(path, &info) != nil || time.Now().Unix()-info.Mtim.Sec < int64(forgottenTime/time.Second) {
			continue
		}
		_ = syscall.Unlink(path) // Room that is not won back now is tried for again.
	}
}

// receive reads pieces, each with its length in four bytes before it, up to an empty one; so an input that is cut off is
// told from one that has ended. It prints how many bytes it has put onto the disk.
func receive(folder, file string) error {
	path := stored(folder, file)
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return &pathError{file, err}
	}
	size, err := receiveInto(fd)
	if err == nil {
		err = syncAll(fd, folder)
	}
	closeFile(fd)
	if err != nil {
		_ = syscall.Unlink(path) // It is removed later as nobody names it.
		return &pathError{file, err}
	}
	return writeAll(1, []byte(decimal(size)))
}

func receiveInto(fd int) (size int64, err error) {
	buffer := make([]byte, bufferSize)
	for {
		var length [4]byte
		if !fill(length[:]) {
			return 0, archiveError("the input was cut off")
		}
		left := int(length[0])<<24 | int(length[1])<<16 | int(length[2])<<8 | int(length[3])
		if left == 0 {
			return size, nil
		}
		for left > 0 {
			piece := buffer[:min(left, len(buffer))]
			if !fill(piece) {
				return 0, archiveError("the input was cut off")
			}
			if err := writeAll(fd, piece); err != nil {
				return 0, err
			}
			left -= len(piece)
			size += int64(len(piece))
		}
	}
}

// syncAll brings a file and its name onto the disk.
func syncAll(fd int, folder string) error {
	if err := syscall.Fsync(fd); err != nil {
		return err
	}
	directory, err := syscall.Open(folder, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer closeFile(directory)
	if err := syscall.Fsync(directory); err != nil && err != syscall.EINVAL {
		return err
	}
	return nil
}

func send(folder, file string) error {
	fd, err := syscall.Open(stored(folder, file), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err == syscall.ENOENT {
		fail(codeNotFound, file+": "+err.Error())
	}
	if err != nil {
		return &pathError{file, err}
	}
	defer closeFile(fd)
	return copyTo(1, fd)
}

func copyTo(to, from int) error {
	buffer := make([]byte, bufferSize)
	for {
		count, err := descriptor(from).Read(buffer)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = writeAll(to, buffer[:count])
		}
		if err != nil {
			return err
		}
	}
}

// What the store answers in place of a file's size.
const (
	answerMissing = -1
	answerDenied  = -2
)

// Times after which a connection on which nothing happens is given up.
var (
	askingTime  = syscall.Timeval{Sec: 10}
	sendingTime = syscall.Timeval{Sec: 60}
)

// serve answers "TOKEN FILE OFFSET\n" with the file's size in eight bytes, high ones first, and its content from the offset
// on. When the pod is asked to end it fails, so that it is made again.
func serve(folder string, port int, tokenFile string) error {
	go func() {
		awaitTermination()
		syscall.Exit(codeFailed)
	}()
	listener, err := listen(port)
	if err != nil {
		return &pathError{"listen", err}
	}
	for {
		fd, _, err := syscall.Accept4(listener, syscall.SOCK_CLOEXEC)
		if err != nil {
			// Whoever it was has gone, or there are too many at a time.
			time.Sleep(20 * time.Millisecond)
			continue
		}
		go func() {
			defer closeFile(fd)
			answer(fd, folder, tokenFile)
		}()
	}
}

// listen takes connections of both kinds of addresses, where the node has both.
func listen(port int) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0)
		if err = syscall.Bind(fd, &syscall.SockaddrInet6{Port: port}); err != nil {
			closeFile(fd)
		}
	}
	if err != nil {
		if fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0); err != nil {
			return 0, err
		}
		if err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port}); err != nil {
			return 0, err
		}
	}
	return fd, syscall.Listen(fd, 128)
}

func answer(fd int, folder, tokenFile string) {
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &askingTime)
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &sendingTime)
	asked := readLine(fd)
	token, _ := readFile(tokenFile) // Without one nobody is answered.
	if len(asked) != 3 || !same(asked[0], string(token)) {
		_ = writeAll(fd, bigEndian(answerDenied)) // Nothing is owed to a stranger.
		return
	}
	file, err := syscall.Open(stored(folder, asked[1]), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	var info syscall.Stat_t
	if err == nil {
		defer closeFile(file)
		err = syscall.Fstat(file, &info)
	}
	if err == nil {
		_, err = syscall.Seek(file, int64(number(asked[2])), io.SeekStart)
	}
	if err != nil {
		_ = writeAll(fd, bigEndian(answerMissing)) // As below.
		return
	}
	if writeAll(fd, bigEndian(info.Size)) == nil {
		_ = copyTo(fd, file) // Whoever asked notices, and asks again.
	}
}

// same compares without telling by its time where the difference is.
func same(text, other string) bool {
	if len(text) != len(other) || text == "" {
		return false
	}
	var difference byte
	for i := range len(text) {
		difference |= text[i] ^ other[i]
	}
	return difference == 0
}

// readLine reads the words of a line.
func readLine(fd int) []string {
	var words []string
	var letters [1]byte
	word := ""
	for range 512 {
		if _, err := descriptor(fd).Read(letters[:]); err != nil {
			return nil
		}
		switch letter := letters[0]; letter {
		case '\n':
			return append(words, word)
		case ' ':
			words, word = append(words, word), ""
		default:
			word += string(rune(letter))
		}
	}
	return nil
}

func bigEndian(value int64) []byte {
	bytes := make([]byte, 8)
	for i := range bytes {
		bytes[i] = byte(value >> (56 - 8*i)) //nolint:gosec // It is the byte that is wanted.
	}
	return bytes
}
