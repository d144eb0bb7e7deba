package docker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A record has two slots, which are written in turns. A slot says its own number and digest, so a half-written one is
// known and the one before it still counts: that makes a write atomic although the engine's copying is not.

// slot is one version of a record.
type slot struct {
	sequence int
	removed  bool
	content  []byte
}

const slotFormat = "sundog-record %d %s %s\n"

func (s slot) encode() []byte {
	state := "live"
	if s.removed {
		state = "removed"
	}
	sum := sha256.Sum256(s.content)
	return append(fmt.Appendf(nil, slotFormat, s.sequence, hex.EncodeToString(sum[:]), state), s.content...)
}

// decodeSlot reports false for a slot that is not whole.
func decodeSlot(data []byte) (slot, bool) {
	head, content, found := bytes.Cut(data, []byte("\n"))
	if !found {
		return slot{}, false
	}
	var result slot
	var digest, state string
	if _, err := fmt.Sscanf(string(head)+"\n", slotFormat, &result.sequence, &digest, &state); err != nil {
		return slot{}, false
	}
	sum := sha256.Sum256(content)
	if hex.EncodeToString(sum[:]) != digest {
		return slot{}, false
	}
	result.removed, result.content = state == "removed", content
	return result, true
}

// newestSlot picks the version that counts out of a record's files.
func newestSlot(files map[string][]byte) (newest slot, found bool) {
	for _, data := range files {
		if candidate, whole := decodeSlot(data); whole && (!found || candidate.sequence > newest.sequence) {
			newest, found = candidate, true
		}
	}
	return newest, found
}

// nextSlot gives the files that write a new version. Removing a record also empties the slot of the version before, so
// that nothing of it remains.
func nextSlot(folder string, files map[string][]byte, content []byte, removed bool) []storeFile {
	newest, _ := newestSlot(files)
	next := slot{sequence: newest.sequence + 1, removed: removed, content: content}
	written := []storeFile{{slotPath(folder, next.sequence), next.encode()}}
	if removed {
		written = append(written, storeFile{path: slotPath(folder, newest.sequence)})
	}
	return written
}

func slotPath(folder string, sequence int) string { return fmt.Sprintf("%s/%d", folder, sequence%2) }

// recordFolder is where a record's slots are. Records' names are labels joined by "/", so "." is free to stand for it
// and a record may have the name of another one's beginning.
func recordFolder(name string) string { return strings.ReplaceAll(name, "/", ".") }

func recordName(folder string) string { return strings.ReplaceAll(folder, ".", "/") }
