//go:build linux

package main

import (
	"compress/gzip"
	"io"
	"syscall"
)

// files fills a pod's folders before its service starts. Each argument is an operation, and its operands follow:
//
//	folder TARGET         makes a folder
//	unpack SOURCE TARGET  unpacks an artifact, whose parts are the files of the folder SOURCE, into the folder TARGET
//	seed SOURCE TARGET    copies what the image has at SOURCE to TARGET, unless TARGET is there
//	need PATH             fails if the path is not there
func files(arguments []string) {
	// What an artifact says of modes holds, whatever the image's runtime sets.
	syscall.Umask(0)
	for len(arguments) > 0 {
		operation := arguments[0]
		operands := 1
		if operation == "unpack" || operation == "seed" {
			operands = 2
		}
		if len(arguments) <= operands {
			fail(codeFailed, "files: operands of "+operation+" are missing")
		}
		var err error
		switch operation {
		case "folder":
			err = makeFolders(arguments[1])
		case "unpack":
			err = unpack(arguments[1], arguments[2])
		case "seed":
			err = seed(arguments[1], arguments[2])
		case "need":
			var info syscall.Stat_t
			if err = syscall.Lstat(arguments[1], &info); err != nil {
				err = &pathError{arguments[1], err}
			}
		default:
			fail(codeFailed, "files: it does not know the operation "+operation)
		}
		if err != nil {
			fail(codeFailed, operation+": "+err.Error())
		}
		arguments = arguments[1+operands:]
	}
}

// parts reads the files of a folder one after another.
type parts struct {
	folder string
	names  []string
	fd     int
	open   bool
}

// Read implements io.Reader.
func (p *parts) Read(buffer []byte) (int, error) {
	for {
		if !p.open {
			if len(p.names) == 0 {
				return 0, io.EOF
			}
			path := p.folder + "/" + p.names[0]
			fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
			if err != nil {
				return 0, &pathError{path, err}
			}
			p.fd, p.open, p.names = fd, true, p.names[1:]
		}
		count, err := descriptor(p.fd).Read(buffer)
		if err != io.EOF {
			return count, err
		}
		closeFile(p.fd)
		p.open = false
	}
}

func unpack(source, target string) error {
	found, errno := names(source)
	if errno != 0 {
		return &pathError{source, errno}
	}
	// A projected volume holds folders of its own, whose names begin with two dots.
	content := &parts{folder: source}
	for _, name := range found {
		if name[0] != '.' {
			content.names = append(content.names, name)
		}
	}
	unzipped, err := gzip.NewReader(content)
	if err != nil {
		return &pathError{source, err}
	}
	if err := makeFolders(target); err != nil {
		return err
	}
	return extract(&archiveReader{source: unzipped}, target)
}

// folderMode is applied when everything is in place, as a folder may forbid writing.
type folderMode struct {
	path string
	mode uint32
}

func extract(archive *archiveReader, target string) error {
	var folders []folderMode
	for {
		item, err := archive.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		name := cleanBelow(item.name)
		if name == "" {
			continue
		}
		path := target + "/" + name
		if err := checkParents(target, name); err != nil {
			return err
		}
		if err := makeFolders(parent(path)); err != nil {
			return err
		}
		if item.kind == kindFolder {
			folders = append(folders, folderMode{path, item.mode})
			if err := makeFolder(path); err != nil {
				return err
			}
			continue
		}
		if err := extractEntry(archive, item, target, path); err != nil {
			return err
		}
	}
	for i := len(folders) - 1; i >= 0; i-- {
		if err := syscall.Chmod(folders[i].path, folders[i].mode); err != nil {
			return &pathError{folders[i].path, err}
		}
	}
	return nil
}

func extractEntry(archive *archiveReader, item *entry, target, path string) error {
	if err := syscall.Unlink(path); err != nil && err != syscall.ENOENT {
		return &pathError{path, err}
	}
	var err error
	switch item.kind {
	case kindLink:
		err = syscall.Symlink(item.link, path)
	case kindHardLink:
		err = syscall.Link(target+"/"+cleanBelow(item.link), path)
	case kindFile:
		return extractFile(archive, item, path)
	default:
		return &pathError{path, archiveError("an artifact cannot hold a file of this kind")}
	}
	if err != nil {
		return &pathError{path, err}
	}
	return nil
}

func extractFile(archive *archiveReader, item *entry, path string) error {
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return &pathError{path, err}
	}
	defer closeFile(fd)
	if _, err := io.CopyBuffer(onlyWriter{descriptor(fd)}, onlyReader{archive}, make([]byte, bufferSize)); err != nil {
		return &pathError{path, err}
	}
	if err := syscall.Fchmod(fd, item.mode); err != nil {
		return &pathError{path, err}
	}
	if item.mtime > 0 {
		when := []syscall.Timeval{{Sec: item.mtime}, {Sec: item.mtime}}
		_ = syscall.Futimes(fd, when) // A time is nothing to fail for.
	}
	return nil
}

// onlyWriter and onlyReader keep io.Copy from looking for other methods.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// makeFolder makes a folder in place of whatever else has the name.
func makeFolder(path string) error {
	err := syscall.Mkdir(path, 0o755)
	if err == syscall.EEXIST {
		var info syscall.Stat_t
		if err := syscall.Lstat(path, &info); err == nil && info.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			return nil
		}
		_ = syscall.Unlink(path)
		err = syscall.Mkdir(path, 0o755)
	}
	if err != nil {
		return &pathError{path, err}
	}
	return nil
}

// checkParents refuses to write through a link.
func checkParents(target, name string) error {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		var info syscall.Stat_t
		path := target + "/" + name[:i]
		if err := syscall.Lstat(path, &info); err == nil && info.Mode&syscall.S_IFMT == syscall.S_IFLNK {
			return &pathError{path, archiveError("it is a link, and nothing is put behind one")}
		}
	}
	return nil
}

// seed copies a folder of the image to a new persistent directory. It is made under another name and then renamed, so
// that one which is there is whole.
func seed(source, target string) error {
	var info syscall.Stat_t
	if err := syscall.Lstat(target, &info); err == nil {
		return nil
	}
	made := target + ".new"
	if err := removeAll(made); err != nil {
		return err
	}
	if err := syscall.Mkdir(made, 0o755); err != nil {
		return &pathError{made, err}
	}
	if err := syscall.Stat(source, &info); err == nil && info.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		if err := copyTree(source, made, &info); err != nil {
			return err
		}
	}
	err := syscall.Rename(made, target)
	if err == syscall.EEXIST || err == syscall.ENOTEMPTY {
		// Another service has been faster.
		return removeAll(made)
	}
	if err != nil {
		return &pathError{target, err}
	}
	return nil
}

func copyTree(source, target string, info *syscall.Stat_t) error {
	found, errno := names(source)
	if errno != 0 {
		return &pathError{source, errno}
	}
	for _, name := range found {
		from, to := source+"/"+name, target+"/"+name
		var item syscall.Stat_t
		if err := syscall.Lstat(from, &item); err != nil {
			return &pathError{from, err}
		}
		if err := copyOne(from, to, &item); err != nil {
			return err
		}
	}
	return own(target, info)
}

func copyOne(from, to string, info *syscall.Stat_t) error {
	switch info.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		if err := syscall.Mkdir(to, 0o700); err != nil {
			return &pathError{to, err}
		}
		return copyTree(from, to, info)
	case syscall.S_IFLNK:
		target := make([]byte, 4096)
		count, err := syscall.Readlink(from, target)
		if err != nil {
			return &pathError{from, err}
		}
		if err := syscall.Symlink(string(target[:count]), to); err != nil {
			return &pathError{to, err}
		}
		_ = syscall.Lchown(to, int(info.Uid), int(info.Gid)) // As in own.
		return nil
	case syscall.S_IFREG:
		return copyFile(from, to, info)
	}
	return nil
}

func copyFile(from, to string, info *syscall.Stat_t) error {
	source, err := syscall.Open(from, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &pathError{from, err}
	}
	defer closeFile(source)
	target, err := syscall.Open(to, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return &pathError{to, err}
	}
	defer closeFile(target)
	if _, err := io.CopyBuffer(onlyWriter{descriptor(target)}, onlyReader{descriptor(source)}, make([]byte, bufferSize)); err != nil {
		return &pathError{to, err}
	}
	return own(to, info)
}

// own gives a copy the owner and mode of what it was copied from. Only root can give files away.
func own(path string, info *syscall.Stat_t) error {
	if err := syscall.Chown(path, int(info.Uid), int(info.Gid)); err != nil && err != syscall.EPERM {
		return &pathError{path, err}
	}
	if err := syscall.Chmod(path, info.Mode&0o7777); err != nil {
		return &pathError{path, err}
	}
	return nil
}

func removeAll(path string) error {
	var info syscall.Stat_t
	err := syscall.Lstat(path, &info)
	if err == syscall.ENOENT {
		return nil
	}
	if err != nil {
		return &pathError{path, err}
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		if err := syscall.Unlink(path); err != nil && err != syscall.ENOENT {
			return &pathError{path, err}
		}
		return nil
	}
	found, errno := names(path)
	if errno != 0 {
		return &pathError{path, errno}
	}
	for _, name := range found {
		if err := removeAll(path + "/" + name); err != nil {
			return err
		}
	}
	if err := syscall.Rmdir(path); err != nil && err != syscall.ENOENT {
		return &pathError{path, err}
	}
	return nil
}
