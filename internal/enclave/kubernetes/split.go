package kubernetes

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// A ConfigMap holds at most 1 MiB, and the smallest Go program is larger. The kernel itself can put a program together from
// two files: a program header names an "interpreter", whose segments are mapped beside the program's own and whose entry
// point is the one that is jumped to. So the agent's code is one file, its data another one that calls itself the first
// one's interpreter. Both have fixed addresses, so the result is the program as it was linked.

const (
	elfHeaderSize  = 64
	elfSegmentSize = 56
)

// splitProgram splits a static program whose addresses are fixed into the file to be started and the file that must stand
// at interpreter.
func splitProgram(program []byte, interpreter string) (code, data []byte, err error) {
	parsed, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, nil, fmt.Errorf("read the agent's program: %w", err)
	}
	if parsed.Class != elf.ELFCLASS64 || parsed.ByteOrder != binary.ByteOrder(binary.LittleEndian) || parsed.Type != elf.ET_EXEC {
		return nil, nil, errors.New("the agent's program is not a 64-bit one with fixed addresses")
	}
	var text *elf.Prog
	var rest []*elf.Prog
	for _, segment := range parsed.Progs {
		switch {
		case segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC:
			return nil, nil, errors.New("the agent's program is not a static one")
		case segment.Type != elf.PT_LOAD:
		case segment.Flags&elf.PF_X != 0 && text == nil && segment.Off == 0:
			text = segment
		case segment.Flags&elf.PF_X != 0:
			return nil, nil, errors.New("the agent's program has its code in two segments")
		default:
			rest = append(rest, segment)
		}
	}
	if text == nil || len(rest) == 0 {
		return nil, nil, errors.New("the agent's program lacks a segment")
	}
	if code, err = codeFile(parsed, program, text, interpreter); err != nil {
		return nil, nil, err
	}
	return code, dataFile(parsed, program, rest), nil
}

// codeFile is the code segment, which begins with the headers of the file, with other program headers.
func codeFile(parsed *elf.File, program []byte, text *elf.Prog, interpreter string) ([]byte, error) {
	code := bytes.Clone(program[:text.Filesz])
	const count = 3
	pathOffset := uint64(elfHeaderSize + count*elfSegmentSize)
	path := append([]byte(interpreter), 0)
	if first := firstSection(parsed); pathOffset+uint64(len(path)) > first {
		return nil, errors.New("the agent's program has no room for its headers")
	}
	clear(code[elfHeaderSize:firstSection(parsed)])
	copy(code, header(parsed, count))
	copy(code[elfHeaderSize:], segments(
		elf.Prog64{Type: uint32(elf.PT_INTERP), Flags: uint32(elf.PF_R), Off: pathOffset, Vaddr: text.Vaddr + pathOffset, Paddr: text.Vaddr + pathOffset, Filesz: uint64(len(path)), Memsz: uint64(len(path)), Align: 1},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(text.Flags), Off: 0, Vaddr: text.Vaddr, Paddr: text.Vaddr, Filesz: text.Filesz, Memsz: text.Memsz, Align: text.Align},
		elf.Prog64{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 8},
	))
	copy(code[pathOffset:], path)
	return code, nil
}

// firstSection is the offset of the first section's content.
func firstSection(parsed *elf.File) uint64 {
	first := uint64(0)
	for _, section := range parsed.Sections {
		if section.Type != elf.SHT_NULL && section.Type != elf.SHT_NOBITS && section.Offset > 0 && (first == 0 || section.Offset < first) {
			first = section.Offset
		}
	}
	return first
}

// dataFile holds the other segments. Offsets and addresses agree in the bits below a page's size, as the kernel asks.
func dataFile(parsed *elf.File, program []byte, rest []*elf.Prog) []byte {
	content := bytes.Repeat([]byte{0}, elfHeaderSize+len(rest)*elfSegmentSize)
	headers := make([]elf.Prog64, 0, len(rest))
	for _, segment := range rest {
		align := max(segment.Align, 1)
		offset := uint64(len(content))
		offset += (segment.Vaddr%align + align - offset%align) % align
		content = append(content, make([]byte, offset-uint64(len(content)))...)
		content = append(content, program[segment.Off:segment.Off+segment.Filesz]...)
		headers = append(headers, elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(segment.Flags), Off: offset, Vaddr: segment.Vaddr, Paddr: segment.Vaddr, Filesz: segment.Filesz, Memsz: segment.Memsz, Align: segment.Align,
		})
	}
	copy(content, header(parsed, len(rest)))
	copy(content[elfHeaderSize:], segments(headers...))
	return content
}

func header(parsed *elf.File, segments int) []byte {
	var buffer bytes.Buffer
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	_ = binary.Write(&buffer, binary.LittleEndian, elf.Header64{ // A buffer takes everything.
		Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(parsed.Machine), Version: uint32(elf.EV_CURRENT), Entry: parsed.Entry,
		Phoff: elfHeaderSize, Ehsize: elfHeaderSize, Phentsize: elfSegmentSize, Phnum: uint16(segments), //nolint:gosec // There are a few.
	})
	return buffer.Bytes()
}

func segments(items ...elf.Prog64) []byte {
	var buffer bytes.Buffer
	_ = binary.Write(&buffer, binary.LittleEndian, items) // A buffer takes everything.
	return buffer.Bytes()
}
