package language

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"go.starlark.net/starlark"
)

// Interpretation is on the path of every plan, each time in a new process, and with a large package most of it is reading
// the same source again. So the compiled form of a package's files is kept beside the fetched repositories, in one file
// for each root package, which holds what its last interpretation used. It is found by the file's name and content, so
// it can be missing, but never wrong; whatever is the matter with it, the source is compiled.

const (
	programsMagic = "sundog programs\n"
	// smallest is the source that is worth a file, in bytes.
	smallest = 64 << 10
	// maxPrograms bounds what is read, in bytes.
	maxPrograms = 64 << 20
)

// programKey tells a file by its name, which stands in its positions, and its content.
type programKey [sha256.Size]byte

// programs are the compiled files of one interpretation.
type programs struct {
	file  string // where they are kept; empty for nowhere
	kept  map[programKey][]byte
	used  map[programKey]*starlark.Program
	size  int // of the source, in bytes
	fresh bool
}

// openPrograms reads what the last interpretation left.
func openPrograms(file string) *programs {
	p := &programs{file: file, used: map[programKey]*starlark.Program{}}
	if file == "" || programIdentity() == "" {
		p.file = ""
		return p
	}
	if info, err := os.Stat(file); err != nil || info.Size() > maxPrograms {
		return p
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return p
	}
	p.kept = decodePrograms(content)
	return p
}

// compile gives the compiled form of a source: the kept one, or a new one.
func (p *programs) compile(name string, source []byte, known func(name string) bool) (*starlark.Program, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%d:%s\n", len(name), name)
	hash.Write(source)
	key := programKey(hash.Sum(nil))
	p.size += len(source)
	if encoded, ok := p.kept[key]; ok {
		if program, err := starlark.CompiledProgram(bytes.NewReader(encoded)); err == nil {
			p.used[key] = program
			return program, nil
		}
	}
	program, err := compile(name, source, known)
	if err != nil {
		return nil, err
	}
	p.used[key], p.fresh = program, true
	return program, nil
}

// compile turns a source into a program, with guards in front of what could ask for too much.
func compile(name string, source []byte, known func(name string) bool) (*starlark.Program, error) {
	if err := checkSource(name, source); err != nil {
		return nil, err
	}
	parsed, err := dialect().Parse(name, source, 0)
	if err != nil {
		return nil, err
	}
	guardSource(parsed)
	return starlark.FileProgram(parsed, known)
}

// keep leaves what was used to the next interpretation, where it is worth it. A cache that cannot be written is no cache,
// and nothing more.
func (p *programs) keep() {
	if p.file == "" || p.size < smallest || !p.fresh && len(p.used) == len(p.kept) {
		return
	}
	content, err := encodePrograms(p.used)
	if err != nil || len(content) > maxPrograms {
		return
	}
	folder := filepath.Dir(p.file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return
	}
	temporary, err := os.CreateTemp(folder, "new-")
	if err != nil {
		return
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), p.file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
}

// programIdentity tells this binary from others that would compile differently; empty when it cannot be told.
var programIdentity = sync.OnceValue(func() string {
	executable, err := os.Executable()
	if err != nil {
		return ""
	}
	info, err := os.Stat(executable)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d %d %d\n", starlark.CompilerVersion, info.Size(), info.ModTime().UnixNano())
})

// encodePrograms writes programs: magic, identity, checksum of what follows, and for each program its key, its length and
// its content.
func encodePrograms(used map[programKey]*starlark.Program) ([]byte, error) {
	var body bytes.Buffer
	for _, key := range slices.SortedFunc(maps.Keys(used), func(a, b programKey) int { return bytes.Compare(a[:], b[:]) }) {
		var encoded bytes.Buffer
		if err := used[key].Write(&encoded); err != nil {
			return nil, err
		}
		body.Write(key[:])
		body.Write(binary.BigEndian.AppendUint32(nil, uint32(encoded.Len()))) //nolint:gosec // bounded by the source's size
		body.Write(encoded.Bytes())
	}
	content := []byte(programsMagic + programIdentity())
	content = binary.BigEndian.AppendUint32(content, checksum(body.Bytes()))
	return append(content, body.Bytes()...), nil
}

// decodePrograms is the reverse; nil for anything that this very program did not write.
func decodePrograms(content []byte) map[programKey][]byte {
	body, ok := bytes.CutPrefix(content, []byte(programsMagic+programIdentity()))
	if !ok || len(body) < 4 || binary.BigEndian.Uint32(body) != checksum(body[4:]) {
		return nil
	}
	kept := map[programKey][]byte{}
	for body = body[4:]; len(body) > 0; {
		if len(body) < sha256.Size+4 {
			return nil
		}
		key := programKey(body[:sha256.Size])
		length := int64(binary.BigEndian.Uint32(body[sha256.Size:]))
		body = body[sha256.Size+4:]
		if length > int64(len(body)) {
			return nil
		}
		kept[key], body = body[:length], body[length:]
	}
	return kept
}

func checksum(content []byte) uint32 {
	return crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))
}
