package descriptor

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Naming says what the copies of a kind may be called.
type Naming struct {
	// Max is the greatest length in bytes, suffix included; zero means no limit.
	Max int
	// Allowed tells which characters besides letters and digits a name may hold.
	Allowed string
	// Lower demands lower case.
	Lower bool
	// LetterFirst demands that the name begins with a letter.
	LetterFirst bool
	// Suffixes are endings with a meaning, which are kept, for example ".fifo".
	Suffixes []string
	// Path puts the fork in front as a folder: "/<fork>/app/db" for "/app/db".
	Path bool
	// Container names are labels inside the enclave, which is a namespace of its own: they do not carry the fork's name.
	Container bool
}

// Plan gives the name of a copy. It is a pure function, so that planning again gives the same name. The source's name
// stays readable; where it had to be shortened or changed, a hash of the source's ARN keeps two names apart.
func (n Naming) Plan(fork, name, sourceARN string) string {
	if n.Path {
		return n.fit("/"+fork+"/"+strings.TrimPrefix(name, "/"), sourceARN)
	}
	if n.Container {
		return containerNaming.fit(containerPart(name), sourceARN)
	}
	return n.fit(fork+"-"+name, sourceARN)
}

// containerNaming is that of RFC 1035 labels, with room for what a runner adds.
var containerNaming = Naming{Max: 50, Allowed: "-", Lower: true, LetterFirst: true}

// PlanHashed names a container whose plain name is taken.
func (n Naming) PlanHashed(name, sourceARN string) string {
	sum := sha256.Sum256([]byte(sourceARN))
	return containerNaming.fit(containerPart(name), sourceARN) + "-" + hex.EncodeToString(sum[:])[:8]
}

// containerPart is the last part of a name, which is what people call the service.
func containerPart(name string) string {
	return name[strings.LastIndex(strings.TrimRight(name, "/"), "/")+1:]
}

func (n Naming) fit(name, sourceARN string) string {
	suffix := ""
	for _, candidate := range n.Suffixes {
		if strings.HasSuffix(name, candidate) {
			suffix = candidate
			name = strings.TrimSuffix(name, candidate)
			break
		}
	}
	fitted := n.replace(name)
	if n.LetterFirst && (fitted == "" || !isLetter(fitted[0])) {
		fitted = "x" + fitted
	}
	changed := fitted != name
	room := n.Max - len(suffix)
	if n.Max > 0 && len(fitted) > room || changed {
		sum := sha256.Sum256([]byte(sourceARN))
		hash := "-" + hex.EncodeToString(sum[:])[:8]
		if n.Max > 0 && len(fitted)+len(hash) > room {
			fitted = fitted[:room-len(hash)]
		}
		fitted = strings.TrimRight(fitted, "-") + hash
	}
	return fitted + suffix
}

func (n Naming) replace(name string) string {
	allowed := n.Allowed
	if n.Path {
		allowed += "/"
	}
	var text strings.Builder
	for _, letter := range name {
		if n.Lower && letter >= 'A' && letter <= 'Z' {
			letter += 'a' - 'A'
		}
		switch {
		case isASCII(letter):
			text.WriteRune(letter)
		case strings.ContainsRune(allowed, letter):
			text.WriteRune(letter)
		default:
			text.WriteByte('-')
		}
	}
	if n.Container || n.LetterFirst {
		return strings.Trim(text.String(), "-")
	}
	return text.String()
}

func isASCII(letter rune) bool {
	return letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z' || letter >= '0' && letter <= '9'
}

func isLetter(letter byte) bool {
	return letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z'
}
