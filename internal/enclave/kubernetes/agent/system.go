//go:build linux

package main

import (
	"io"
	"syscall"
)

const bufferSize = 1 << 16

// descriptor is an open file.
type descriptor int

// Read implements io.Reader.
func (d descriptor) Read(buffer []byte) (int, error) {
	for {
		count, err := syscall.Read(int(d), buffer)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case count == 0 && len(buffer) > 0:
			return 0, io.EOF
		default:
			return count, nil
		}
	}
}

// Write implements io.Writer.
func (d descriptor) Write(data []byte) (int, error) {
	if err := writeAll(int(d), data); err != nil {
		return 0, err
	}
	return len(data), nil
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		count, err := syscall.Write(fd, data)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data = data[count:]
	}
	return nil
}

// errnoOf gives the number of a system call's error; 0 for none.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EIO
}

func readFile(path string) ([]byte, syscall.Errno) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, errnoOf(err)
	}
	defer closeFile(fd)
	var content []byte
	buffer := make([]byte, 4096)
	for {
		count, err := descriptor(fd).Read(buffer)
		content = append(content, buffer[:count]...)
		if err == io.EOF {
			return content, 0
		}
		if err != nil {
			return nil, errnoOf(err)
		}
	}
}

func closeFile(fd int) {
	_ = syscall.Close(fd)
}

// names lists a folder, sorted.
func names(folder string) ([]string, syscall.Errno) {
	fd, err := syscall.Open(folder, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, errnoOf(err)
	}
	defer closeFile(fd)
	var found []string
	buffer := make([]byte, bufferSize)
	for {
		count, err := syscall.ReadDirent(fd, buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, errnoOf(err)
		}
		if count == 0 {
			break
		}
		_, _, found = syscall.ParseDirent(buffer[:count], -1, found)
	}
	sortNames(found)
	return found, 0
}

// sortNames sorts in place by merging, as package sort would bring reflection along.
func sortNames(items []string) {
	if len(items) < 2 {
		return
	}
	middle := len(items) / 2
	left, right := append([]string{}, items[:middle]...), append([]string{}, items[middle:]...)
	sortNames(left)
	sortNames(right)
	for i := range items {
		if len(right) == 0 || len(left) > 0 && left[0] <= right[0] {
			items[i], left = left[0], left[1:]
		} else {
			items[i], right = right[0], right[1:]
		}
	}
}

// makeFolders makes a folder and all above it.
func makeFolders(path string) error {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		if err := syscall.Mkdir(path[:i], 0o755); err != nil && err != syscall.EEXIST {
			return &pathError{path[:i], err}
		}
	}
	return nil
}

// pathError names the path at which a system call failed.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }

func (e *pathError) Unwrap() error { return e.err }

// parent gives the folder of a clean path.
func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return "/"
}

// base gives the last element of a path.
func base(path string) string {
	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// cleanBelow makes a path relative and lets it climb nowhere.
func cleanBelow(path string) string {
	var parts []string
	begin := 0
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		switch part := path[begin:i]; part {
		case "", ".":
		case "..":
			if len(parts) > 0 {
				parts = parts[:len(parts)-1]
			}
		default:
			parts = append(parts, part)
		}
		begin = i + 1
	}
	clean := ""
	for i, part := range parts {
		if i > 0 {
			clean += "/"
		}
		clean += part
	}
	return clean
}
