package locator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LockName is the file, beside a package's kurtosis.yml, that says which commit every locator means.
const LockName = "sundog.lock"

// lockVersion is the form of lock files and of vendor folders' lists that this version reads and writes.
const lockVersion = 1

// maxLockSize bounds what the YAML library has to read.
const maxLockSize = 4 << 20

// Pin is what a repository at a version was found to be.
type Pin struct {
	// Commit is the full hash.
	Commit string `yaml:"commit"`
	// Tree is the digest of the files, as treeDigest makes it.
	Tree string `yaml:"tree"`
}

// Lock is the content of a lock file.
type Lock struct {
	// Repositories are pins by locator, such as github.com/owner/repository@v1; the default branch's has no version.
	Repositories map[string]Pin
	// Files maps URLs to the SHA-256 of what they give.
	Files map[string]string

	label string         // where it was read; empty when it was not
	lines map[string]int // of the entries
}

// NewLock makes a lock without entries.
func NewLock() *Lock { return &Lock{Repositories: map[string]Pin{}, Files: map[string]string{}} }

// place says where an entry stands.
func (l *Lock) place(key string) string {
	label := l.label
	if label == "" {
		label = LockName
	}
	if line := l.lines[key]; line > 0 {
		return fmt.Sprintf("%s:%d", label, line)
	}
	return label
}

// Equal tells whether two locks say the same.
func (l *Lock) Equal(other *Lock) bool {
	return maps.Equal(l.Repositories, other.Repositories) && maps.Equal(l.Files, other.Files)
}

// Merge gives a lock with the entries of both; where both know a locator, this one counts.
func (l *Lock) Merge(other *Lock) *Lock {
	merged := NewLock()
	for _, source := range []*Lock{other, l} {
		maps.Copy(merged.Repositories, source.Repositories)
		maps.Copy(merged.Files, source.Files)
	}
	return merged
}

// Changes says in words, one line an entry, what differs from an older lock.
func (l *Lock) Changes(older *Lock) []string {
	var lines []string
	compare := func(key, before, after string, had, has bool) {
		switch {
		case has && !had:
			lines = append(lines, fmt.Sprintf("+ %s %s", key, after))
		case had && !has:
			lines = append(lines, fmt.Sprintf("- %s %s", key, before))
		case before != after:
			lines = append(lines, fmt.Sprintf("~ %s %s -> %s", key, before, after))
		}
	}
	show := func(pin Pin) string { return pin.Commit + " " + pin.Tree }
	for _, key := range keysOf(older.Repositories, l.Repositories) {
		before, had := older.Repositories[key]
		after, has := l.Repositories[key]
		compare(key, show(before), show(after), had, has)
	}
	for _, key := range keysOf(older.Files, l.Files) {
		before, had := older.Files[key]
		after, has := l.Files[key]
		compare(redactURL(key), before, after, had, has)
	}
	return lines
}

func keysOf[V any](one, two map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, source := range []map[string]V{one, two} {
			for key := range source {
				if !yield(key) {
					return
				}
			}
		}
	}))
}

// lockFile is the form of a lock file. Every entry has lines of its own, so that a change shows as one.
type lockFile struct {
	Version      int                `yaml:"version"`
	Repositories map[string]Pin     `yaml:"repositories,omitempty"`
	Files        map[string]filePin `yaml:"files,omitempty"`
}

type filePin struct {
	SHA256 string `yaml:"sha256"`
}

const lockHead = "# Written by \"sundog package lock\": what the locators of this package mean. Keep it under version control.\n"

// Encode gives the text of a lock file.
func (l *Lock) Encode() ([]byte, error) {
	file := lockFile{Version: lockVersion, Repositories: l.Repositories, Files: map[string]filePin{}}
	for address, sum := range l.Files {
		file.Files[address] = filePin{SHA256: sum}
	}
	return encodeYAML(lockHead, file)
}

func encodeYAML(head string, value any) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(head)
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(value), encoder.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ParseLock reads a lock file's text strictly. label says where it stands.
func ParseLock(text []byte, label string) (*Lock, error) {
	const remedy = "mend it, or delete the file and run \"sundog package lock\""
	var file lockFile
	document, err := parseStrict(text, label, &file, ErrLock, remedy)
	if err != nil {
		return nil, err
	}
	lock := &Lock{Repositories: map[string]Pin{}, Files: map[string]string{}, label: label, lines: map[string]int{}}
	fail := func(format string, line int, arguments ...any) error {
		return wrongFile(ErrLock, label, line, fmt.Sprintf(format, arguments...)+": "+remedy)
	}
	if err := checkVersionNumber(file.Version, func(reason string) error { return fail("%s", keyLine(document, "version"), reason) }); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(file.Repositories)) {
		line := keyLine(document, "repositories", key)
		if err := checkLockedLocator(key); err != nil {
			return nil, fail("%v", line, err)
		}
		if err := checkPin(file.Repositories[key]); err != nil {
			return nil, fail("%s: %v", line, key, err)
		}
		lock.Repositories[key], lock.lines[key] = file.Repositories[key], line
	}
	for _, key := range slices.Sorted(maps.Keys(file.Files)) {
		line := keyLine(document, "files", key)
		if _, err := parseDownload(key); err != nil {
			return nil, fail("%v", line, err)
		}
		if !sumPattern.MatchString(file.Files[key].SHA256) {
			return nil, fail("%s: sha256 must be 64 hexadecimal digits", line, redactURL(key))
		}
		lock.Files[key], lock.lines[key] = file.Files[key].SHA256, line
	}
	return lock, nil
}

var (
	sumPattern  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	treePattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

func checkPin(pin Pin) error {
	switch {
	case !isFullCommit(pin.Commit):
		return errors.New("commit must be the 40 hexadecimal digits of a commit")
	case !treePattern.MatchString(pin.Tree):
		return errors.New("tree must be \"sha256:\" and 64 hexadecimal digits")
	}
	return nil
}

// checkLockedLocator holds a key to the one form that is looked up.
func checkLockedLocator(key string) error {
	parsed, err := parseAddress(key)
	switch {
	case err != nil:
		return err
	case parsed.path != "":
		return fmt.Errorf("%q names a part of the repository: only %q can be locked", key, parsed.whole())
	case parsed.String() != key:
		return fmt.Errorf("%q must be written %q", key, parsed)
	}
	return nil
}

func checkVersionNumber(version int, fail func(reason string) error) error {
	switch {
	case version == lockVersion:
		return nil
	case version > lockVersion:
		return fail(fmt.Sprintf("version %d was written by a newer sundog than this one, which knows version %d: update sundog", version, lockVersion))
	default:
		return fail(fmt.Sprintf("it must say \"version: %d\"", lockVersion))
	}
}

func wrongFile(condition error, label string, line int, reason string) error {
	if line > 0 {
		label = fmt.Sprintf("%s:%d", label, line)
	}
	return fmt.Errorf("%w: %s: %s", condition, label, reason)
}

// linePattern finds the line that the YAML library names first.
var linePattern = regexp.MustCompile(`line ([0-9]+): `)

// parseStrict reads a YAML file of one document without unknown and repeated keys.
func parseStrict(text []byte, label string, into any, condition error, remedy string) (*yaml.Node, error) {
	fail := func(reason string) (*yaml.Node, error) {
		line := 0
		if found := linePattern.FindStringSubmatch(reason); found != nil {
			fmt.Sscan(found[1], &line) //nolint:errcheck // the pattern lets only digits through
			reason = strings.Replace(reason, found[0], "", 1)
		}
		return nil, wrongFile(condition, label, line, reason+": "+remedy)
	}
	if len(text) > maxLockSize {
		return fail(fmt.Sprintf("it is larger than %d MiB", maxLockSize>>20))
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fail(yamlReason(err))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); errors.Is(err, io.EOF) {
		return fail("the file is empty")
	} else if err != nil {
		return fail(yamlReason(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fail("it must hold a single document")
	}
	return &document, nil
}

// ReadLock reads a lock file; ErrNotFound when there is none.
func ReadLock(file string) (*Lock, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no lock file %s: write it with \"sundog package lock\"", ErrNotFound, file)
	}
	if err != nil {
		return nil, fmt.Errorf("read lock file: %w", err)
	}
	return ParseLock(text, file)
}

// Write puts a lock file into place as a whole: whoever reads meanwhile finds the old one or the new one.
func (l *Lock) Write(file string) error {
	text, err := l.Encode()
	if err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if err := writeWhole(file, text); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// writeWhole replaces a file's content at once.
func writeWhole(file string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // the first error is the one to tell
	}
	return err
}

// redactURL shows a URL without credentials, and without what a query may hold of them.
func redactURL(text string) string {
	parsed, err := url.Parse(text)
	if err != nil {
		before, _, cut := strings.Cut(redact(text), "?")
		if cut {
			before += "?…"
		}
		return before
	}
	parsed.User = nil
	if parsed.RawQuery != "" {
		parsed.RawQuery = "…"
		return strings.Replace(parsed.String(), "?%E2%80%A6", "?…", 1)
	}
	return parsed.String()
}
