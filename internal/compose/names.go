package compose

import (
	"fmt"
	"strings"
)

// maxName is the length of an RFC 1035 label, maxPortID that of a port's id.
const (
	maxName   = 63
	maxPortID = 15
)

// normalise makes an RFC 1035 label out of a name: lower-case letters, digits and dashes, with a letter in front.
func normalise(name string) string {
	var out strings.Builder
	for _, letter := range strings.ToLower(name) {
		switch {
		case 'a' <= letter && letter <= 'z', '0' <= letter && letter <= '9':
			out.WriteRune(letter)
		case !strings.HasSuffix(out.String(), "-"):
			out.WriteByte('-')
		}
	}
	label := strings.Trim(out.String(), "-")
	if label == "" || label[0] < 'a' {
		label = strings.TrimSuffix("x-"+label, "-")
	}
	return strings.TrimRight(label[:min(len(label), maxName)], "-")
}

// namer gives every wanted thing a name of its own. The same thing keeps its name, whoever asks.
type namer struct {
	names map[string]string // by thing
	taken map[string]bool
}

func newNamer() *namer { return &namer{names: map[string]string{}, taken: map[string]bool{}} }

func (n *namer) name(thing, wanted string) string {
	if name, known := n.names[thing]; known {
		return name
	}
	label := normalise(wanted)
	name := label
	for i := 2; n.taken[name]; i++ {
		suffix := fmt.Sprintf("-%d", i)
		name = strings.TrimRight(label[:min(len(label), maxName-len(suffix))], "-") + suffix
	}
	n.names[thing], n.taken[name] = name, true
	return name
}
