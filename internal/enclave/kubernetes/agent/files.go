//go:build linux

package main

import (
	"compress/gzip"
	"io"
	"slices"
	"syscall"
)

// filling is what the operations of files share.
type filling struct {
	// uid and gid own what is made; mode holds the permission bits of files, 0 for those that an artifact has.
	uid, gid int
	mode     uint32
	// asked tells that they are another user's than the agent's.
	asked bool
	// skipping passes over the operations on a persistent directory that is there already.
	skipping bool
	// making is the persistent directory that is being made, and host the service for which.
	making, host string
}

// files fills a pod's folders before its service starts. Each argument is an operation, and its operands follow:
//
//	owner UID GID         whose the files of the following operations are; "-" stands for the agent's own
//	mode BITS             their permission bits, decimal; 0 for those that they have
//	open TARGET           lets everybody make files in a folder that is there
//	folder TARGET         makes a folder
//	unpack SOURCE TARGET  unpacks an artifact, whose parts are the files of the folder SOURCE, into the folder TARGET
//	fetch FILE TARGET     unpacks an artifact that the store has, by what the folder of access says, into the folder TARGET
//	copy SOURCE TARGET    copies what the image has at SOURCE into the folder TARGET
//	fresh TARGET          passes over all up to keep if TARGET is there; otherwise it is made beside its final place
//	keep TARGET           puts it into its final place, so that one which is there is whole
//	need PATH             fails if the path is not there
func files(arguments []string) {
	// What an artifact says of modes holds, whatever the image's runtime sets.
	syscall.Umask(0)
	f := &filling{uid: syscall.Getuid(), gid: syscall.Getgid()}
	for len(arguments) > 0 {
		operation := arguments[0]
		operands := 1
		if operation == "unpack" || operation == "fetch" || operation == "copy" || operation == "owner" {
			operands = 2
		}
		if len(arguments) <= operands {
			fail(codeFailed, "files: operands of "+operation+" are missing")
		}
		if err := f.do(operation, arguments[1:1+operands]); err != nil {
			fail(codeFailed, operation+": "+err.Error())
		}
		arguments = arguments[1+operands:]
	}
}

func (f *filling) do(operation string, operands []string) error {
	if f.skipping && operation != "keep" {
		return nil
	}
	switch operation {
	case "owner":
		f.asked = operands[0] != "-"
		f.uid, f.gid = ownerNumber(operands[0], syscall.Getuid()), ownerNumber(operands[1], syscall.Getgid())
		return nil
	case "mode":
		f.mode = uint32(number(operands[0])) & 0o777 //nolint:gosec // The mask bounds it.
		return nil
	case "open":
		// Where nothing may run as root, the volume's group has to do.
		if err := syscall.Chmod(operands[0], 0o777|syscall.S_ISVTX); err != nil && (err != syscall.EPERM || syscall.Getuid() == 0) {
			return &pathError{operands[0], err}
		}
		return nil
	case "folder":
		return f.folder(operands[0])
	case "unpack":
		return f.unpack(operands[0], operands[1])
	case "fetch":
		return f.unpackStream(&remote{access: storeAccess, port: storePort, file: operands[0]}, operands[0], operands[1])
	case "copy":
		return f.copyImage(operands[0], operands[1])
	case "fresh":
		return f.fresh(operands[0])
	case "keep":
		return f.keep(operands[0])
	case "need":
		var info syscall.Stat_t
		if err := syscall.Lstat(operands[0], &info); err != nil {
			return &pathError{operands[0], err}
		}
		return nil
	}
	return archiveError("it does not know the operation")
}

func ownerNumber(text string, own int) int {
	if text == "-" {
		return own
	}
	return number(text)
}

// fileMode is the mode of a file that has another one in its artifact.
func (f *filling) fileMode(has uint32) uint32 {
	switch {
	case f.mode == 0:
		return has
	case has&0o111 != 0:
		return f.mode | f.mode&0o444>>2
	}
	return f.mode
}

// folderMode is the mode of a folder: whoever may read may enter.
func (f *filling) folderMode(has uint32) uint32 {
	if f.mode == 0 {
		return has
	}
	return f.mode | f.mode&0o444>>2
}

// give gives a path its owner and mode. The mode comes last, as a change of owner takes bits away.
func (f *filling) give(path string, mode uint32) error {
	if err := syscall.Chown(path, f.uid, f.gid); err != nil {
		return &pathError{path, err}
	}
	if err := syscall.Chmod(path, mode); err != nil {
		return &pathError{path, err}
	}
	return nil
}

func (f *filling) folder(path string) error {
	path = f.placeOf(path)
	if err := makeFolders(path); err != nil {
		return err
	}
	return f.give(path, f.folderMode(0o755))
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

func (f *filling) unpack(source, target string) error {
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
	return f.unpackStream(content, source, target)
}

// Where the store of large artifacts is, and what it is asked with (see the package kubernetes).
const (
	storeAccess = "/.sundog/artifacts/store"
	storePort   = 9096
)

func (f *filling) unpackStream(content io.Reader, source, target string) error {
	target = f.placeOf(target)
	unzipped, err := gzip.NewReader(content)
	if err != nil {
		return &pathError{source, err}
	}
	if err := makeFolders(target); err != nil {
		return err
	}
	if err := f.extract(&archiveReader{source: unzipped}, target); err != nil {
		return err
	}
	return f.give(target, f.folderMode(0o755))
}

// madeFolder gets its owner and mode when everything is in place, as a folder may forbid writing.
type madeFolder struct {
	path string
	mode uint32
}

func (f *filling) extract(archive *archiveReader, target string) error {
	var folders []madeFolder
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
		if err := f.makeParents(target, name); err != nil {
			return err
		}
		if item.kind == kindFolder {
			folders = append(folders, madeFolder{path, item.mode})
			if err := makeFolder(path); err != nil {
				return err
			}
			continue
		}
		if err := f.extractEntry(archive, item, target, path); err != nil {
			return err
		}
	}
	for _, made := range slices.Backward(folders) {
		if err := f.give(made.path, f.folderMode(made.mode)); err != nil {
			return err
		}
	}
	return nil
}

// makeParents makes the folders above an entry for which the archive has no entries of their own.
func (f *filling) makeParents(target, name string) error {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		path := target + "/" + name[:i]
		err := syscall.Mkdir(path, 0o755)
		if err == syscall.EEXIST {
			continue
		}
		if err != nil {
			return &pathError{path, err}
		}
		if err := f.give(path, f.folderMode(0o755)); err != nil {
			return err
		}
	}
	return nil
}

func (f *filling) extractEntry(archive *archiveReader, item *entry, target, path string) error {
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
		return f.extractFile(archive, item, path)
	default:
		return &pathError{path, archiveError("an artifact cannot hold a file of this kind")}
	}
	if err == nil && item.kind == kindLink {
		err = syscall.Lchown(path, f.uid, f.gid)
	}
	if err != nil {
		return &pathError{path, err}
	}
	return nil
}

func (f *filling) extractFile(archive *archiveReader, item *entry, path string) error {
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return &pathError{path, err}
	}
	defer closeFile(fd)
	if _, err := io.CopyBuffer(onlyWriter{descriptor(fd)}, onlyReader{archive}, make([]byte, bufferSize)); err != nil {
		return &pathError{path, err}
	}
	if err := syscall.Fchown(fd, f.uid, f.gid); err != nil {
		return &pathError{path, err}
	}
	if err := syscall.Fchmod(fd, f.fileMode(item.mode)); err != nil {
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

// placeOf is where a path is made: a persistent directory is made beside its final place, each service its own.
func (f *filling) placeOf(path string) string {
	if f.making != "" && path == f.making {
		return path + ".new." + f.host
	}
	return path
}

func (f *filling) fresh(target string) error {
	var info syscall.Stat_t
	if err := syscall.Lstat(target, &info); err == nil {
		f.skipping = true
		return nil
	}
	host, errno := readFile("/proc/sys/kernel/hostname")
	if errno != 0 {
		return errno
	}
	f.host = cleanBelow(string(host[:max(len(host)-1, 0)]))
	f.making = target
	if err := removeAll(f.placeOf(target)); err != nil {
		return err
	}
	return f.folder(target)
}

func (f *filling) keep(target string) error {
	if f.skipping {
		f.skipping = false
		return nil
	}
	made := f.placeOf(target)
	f.making = ""
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

// copyImage copies a folder of the image, whose owners and modes stay unless others are asked for.
func (f *filling) copyImage(source, target string) error {
	target = f.placeOf(target)
	var info syscall.Stat_t
	err := syscall.Stat(source, &info)
	if err == syscall.ENOENT || err == nil && info.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return nil
	}
	if err != nil {
		return &pathError{source, err}
	}
	if err := copyTree(source, target, &info); err != nil || !f.asked {
		return err
	}
	return f.giveAll(target)
}

// giveAll gives a folder and all in it the owner and the permissions that are asked for.
func (f *filling) giveAll(folder string) error {
	found, errno := names(folder)
	if errno != 0 {
		return &pathError{folder, errno}
	}
	for _, name := range found {
		path := folder + "/" + name
		var info syscall.Stat_t
		if err := syscall.Lstat(path, &info); err != nil {
			return &pathError{path, err}
		}
		var err error
		switch info.Mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			err = f.giveAll(path)
		case syscall.S_IFLNK:
			err = syscall.Lchown(path, f.uid, f.gid)
		default:
			err = f.give(path, f.fileMode(info.Mode&0o7777))
		}
		if err != nil {
			return &pathError{path, err}
		}
	}
	var info syscall.Stat_t
	if err := syscall.Stat(folder, &info); err != nil {
		return &pathError{folder, err}
	}
	return f.give(folder, f.folderMode(info.Mode&0o7777))
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
