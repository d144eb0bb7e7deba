//go:build linux

package main

import (
	"io"
	"syscall"
)

// Kinds of entries in archives.
const (
	kindFile     = '0'
	kindHardLink = '1'
	kindLink     = '2'
	kindFolder   = '5'
	kindExtended = 'x'
	kindGlobal   = 'g'
	kindLongName = 'L'
	kindLongLink = 'K'
)

const block = 512

// entry is one entry of an archive.
type entry struct {
	kind       byte
	name, link string
	mode       uint32
	uid, gid   int
	size       int64
	mtime      int64
}

var errArchive error = archiveError("the archive is damaged")

type archiveError string

func (e archiveError) Error() string { return string(e) }

// archiveReader reads what package archive/tar writes: ustar with extended headers, and GNU's long names.
type archiveReader struct {
	source io.Reader
	left   int64 // bytes of the current entry's content
	pad    int64
}

// next gives the next entry, or io.EOF.
func (r *archiveReader) next() (*entry, error) {
	// What further headers say of the entry that follows them.
	more := &entry{size: -1}
	for {
		item, err := r.header()
		if err != nil {
			return nil, err
		}
		if item.kind == kindExtended || item.kind == kindGlobal || item.kind == kindLongName || item.kind == kindLongLink {
			if err := r.further(item, more); err != nil {
				return nil, err
			}
			continue
		}
		if more.name != "" {
			item.name = more.name
		}
		if more.link != "" {
			item.link = more.link
		}
		if more.size >= 0 {
			item.size = more.size
		}
		if item.kind == 0 {
			item.kind = kindFile
		}
		if item.kind != kindFile {
			item.size = 0
		}
		r.begin(item.size)
		return item, nil
	}
}

// header reads one header.
func (r *archiveReader) header() (*entry, error) {
	if err := r.skip(); err != nil {
		return nil, err
	}
	var header [block]byte
	if _, err := io.ReadFull(r.source, header[:]); err != nil {
		return nil, err
	}
	if header == [block]byte{} {
		return nil, io.EOF
	}
	item := &entry{
		kind: header[156], name: text(header[0:100]), mode: uint32(numeric(header[100:108])) & 0o7777, link: text(header[157:257]), //nolint:gosec // The mask bounds it.
		size: numeric(header[124:136]), mtime: numeric(header[136:148]),
	}
	if prefix := text(header[345:500]); prefix != "" && text(header[257:262]) == "ustar" {
		item.name = prefix + "/" + item.name
	}
	if item.size < 0 {
		return nil, errArchive
	}
	return item, nil
}

// further reads a header that tells more of the entry that follows.
func (r *archiveReader) further(item, more *entry) error {
	if item.size > 1<<20 {
		return errArchive
	}
	r.begin(item.size)
	content := make([]byte, item.size)
	if _, err := io.ReadFull(r, content); err != nil {
		return errArchive
	}
	switch item.kind {
	case kindLongName:
		more.name = text(content)
	case kindLongLink:
		more.link = text(content)
	case kindExtended:
		if !extended(content, more) {
			return errArchive
		}
	}
	return nil
}

func (r *archiveReader) begin(size int64) {
	r.left, r.pad = size, (block-size%block)%block
}

// skip passes over what is left of an entry.
func (r *archiveReader) skip() error {
	rest := r.left + r.pad
	r.left, r.pad = 0, 0
	buffer := make([]byte, block)
	for rest > 0 {
		count, err := r.source.Read(buffer[:min(int64(len(buffer)), rest)])
		rest -= int64(count)
		if err != nil && rest > 0 {
			return errArchive
		}
	}
	return nil
}

// Read implements io.Reader for the current entry's content.
func (r *archiveReader) Read(buffer []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	count, err := r.source.Read(buffer[:min(int64(len(buffer)), r.left)])
	r.left -= int64(count)
	if err == io.EOF && r.left > 0 {
		return count, io.ErrUnexpectedEOF
	}
	return count, nil
}

// text ends at the first zero byte.
func text(field []byte) string {
	for i, b := range field {
		if b == 0 {
			return string(field[:i])
		}
	}
	return string(field)
}

// numeric reads an octal number, or a binary one where the first bit says so.
func numeric(field []byte) int64 {
	var value int64
	if field[0]&0x80 != 0 {
		for i, b := range field {
			if i == 0 {
				b &= 0x7f
			}
			value = value<<8 | int64(b)
		}
		return value
	}
	for _, b := range field {
		if b >= '0' && b <= '7' {
			value = value<<3 | int64(b-'0')
		}
	}
	return value
}

// extended reads the records of an extended header: "LENGTH KEY=VALUE\n".
func extended(content []byte, more *entry) bool {
	for len(content) > 0 {
		length, i := 0, 0
		for i < len(content) && content[i] >= '0' && content[i] <= '9' {
			length = length*10 + int(content[i]-'0')
			i++
		}
		if length <= i+1 || length > len(content) {
			return false
		}
		record := string(content[i+1 : length-1])
		content = content[length:]
		for j := range len(record) {
			if record[j] != '=' {
				continue
			}
			switch value := record[j+1:]; record[:j] {
			case "path":
				more.name = value
			case "linkpath":
				more.link = value
			case "size":
				more.size = int64(number(value))
			}
			break
		}
	}
	return true
}

// writeEntry writes a header. What does not fit is put into an extended one.
func writeEntry(item *entry) error {
	more := ""
	if len(item.name) > 100 {
		more += record("path", item.name)
	}
	if len(item.link) > 100 {
		more += record("linkpath", item.link)
	}
	if item.size >= 1<<33 {
		more += record("size", decimal(item.size))
	}
	if more == "" {
		return writeHeader(item)
	}
	err := writeHeader(&entry{kind: kindExtended, name: "extended", mode: 0o644, size: int64(len(more))})
	if err == nil {
		err = writeAll(1, []byte(more))
	}
	if err == nil {
		err = pad(int64(len(more)))
	}
	if err == nil {
		err = writeHeader(item)
	}
	return err
}

func writeHeader(item *entry) error {
	var header [block]byte
	copy(header[0:100], item.name)
	octal(header[100:108], int64(item.mode))
	octal(header[108:116], int64(item.uid))
	octal(header[116:124], int64(item.gid))
	octal(header[124:136], item.size)
	octal(header[136:148], item.mtime)
	header[156] = item.kind
	copy(header[157:257], item.link)
	copy(header[257:], "ustar\x0000")
	copy(header[148:156], "        ")
	var sum int64
	for _, b := range header {
		sum += int64(b)
	}
	octal(header[148:155], sum)
	return writeAll(1, header[:])
}

func pad(size int64) error {
	return writeAll(1, make([]byte, (block-size%block)%block))
}

// octal fills a field but for its last byte, which stays zero.
func octal(field []byte, value int64) {
	for i := len(field) - 2; i >= 0; i-- {
		field[i] = '0' + byte(value&7)
		value >>= 3
	}
}

// record is one of an extended header: its length counts its own digits.
func record(key, value string) string {
	rest := len(key) + len(value) + 3
	length := rest + len(decimal(int64(rest)))
	length = rest + len(decimal(int64(length)))
	return decimal(int64(length)) + " " + key + "=" + value + "\n"
}

func decimal(value int64) string {
	if value < 0 {
		return "-" + decimal(-value)
	}
	if value < 10 {
		return string(rune('0' + value))
	}
	return decimal(value/10) + decimal(value%10)
}

// copyOut writes a path to the output as an archive: what a folder holds at the root, or the one file.
func copyOut(arguments []string) {
	if len(arguments) != 1 {
		fail(codeFailed, "copy needs one path")
	}
	path := arguments[0]
	var info syscall.Stat_t
	if err := syscall.Stat(path, &info); err != nil {
		code := codeFailed
		if err == syscall.ENOENT || err == syscall.ENOTDIR {
			code = codeNotFound
		}
		fail(code, path+": "+err.Error())
	}
	path, err := resolve(path)
	if err == nil && info.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		err = packFolder(path, "", info.Dev)
	} else if err == nil {
		err = packPath(path, base(path), &info, info.Dev)
	}
	if err == nil {
		err = writeAll(1, make([]byte, 2*block))
	}
	if err != nil {
		fail(codeFailed, "copy "+path+": "+err.Error())
	}
}

// resolve follows a path that is a link to what it leads to.
func resolve(path string) (string, error) {
	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	for range 40 {
		target := make([]byte, 4096)
		count, err := syscall.Readlink(path, target)
		if err == syscall.EINVAL {
			return path, nil
		}
		if err != nil {
			return "", &pathError{path, err}
		}
		if target[0] == '/' {
			path = string(target[:count])
		} else {
			path = parent(path) + "/" + string(target[:count])
		}
	}
	return "", &pathError{path, syscall.ELOOP}
}

func packFolder(folder, below string, device uint64) error {
	found, errno := names(folder)
	if errno != 0 {
		return &pathError{folder, errno}
	}
	for _, name := range found {
		path := folder + "/" + name
		var info syscall.Stat_t
		err := syscall.Lstat(path, &info)
		if err == syscall.ENOENT {
			continue
		}
		if err != nil {
			return &pathError{path, err}
		}
		if err := packPath(path, below+name, &info, device); err != nil {
			return err
		}
	}
	return nil
}

// packPath packs one path. Sockets, devices and what is mounted from elsewhere below /proc have no content to copy.
func packPath(path, name string, info *syscall.Stat_t, device uint64) error {
	item := &entry{name: name, mode: info.Mode & 0o7777, uid: int(info.Uid), gid: int(info.Gid), mtime: info.Mtim.Sec}
	switch info.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		item.kind, item.name = kindFolder, name+"/"
		if err := writeEntry(item); err != nil {
			return err
		}
		if path == "//proc" || path == "//sys" || path == "//dev" {
			return nil
		}
		return packFolder(path, name+"/", device)
	case syscall.S_IFLNK:
		target := make([]byte, 4096)
		count, err := syscall.Readlink(path, target)
		if err != nil {
			return &pathError{path, err}
		}
		item.kind, item.link = kindLink, string(target[:count])
		return writeEntry(item)
	case syscall.S_IFREG:
		return packFile(path, item)
	}
	return nil
}

// packFile packs a file with the size that it has when it is opened; if it shrinks meanwhile, zeros follow.
func packFile(path string, item *entry) error {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &pathError{path, err}
	}
	defer closeFile(fd)
	var info syscall.Stat_t
	if err := syscall.Fstat(fd, &info); err != nil {
		return &pathError{path, err}
	}
	item.kind, item.size = kindFile, info.Size
	if err := writeEntry(item); err != nil {
		return err
	}
	buffer := make([]byte, bufferSize)
	left := item.size
	for left > 0 {
		count, err := descriptor(fd).Read(buffer[:min(int64(len(buffer)), left)])
		if err == io.EOF {
			clear(buffer)
			count, err = int(min(int64(len(buffer)), left)), nil
		}
		if err != nil {
			return &pathError{path, err}
		}
		if err := writeAll(1, buffer[:count]); err != nil {
			return err
		}
		left -= int64(count)
	}
	return pad(item.size)
}
