package locator

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// address is an absolute locator, taken apart.
type address struct {
	// repository is host/owner/name without scheme, for example "github.com/owner/repo".
	repository string
	// path inside the repository, slash-separated and clean; empty means the repository itself.
	path string
	// version is a tag, branch or commit; empty means the default branch.
	version string
	// url is what git is called with when the locator itself was a URL; empty means that the repository's name tells it.
	url string
}

// full is the address without its version: repository and path.
func (a address) full() string { return path.Join(a.repository, a.path) }

// String gives a locator that parses to the same address.
func (a address) String() string {
	repository := a.repository
	if a.needsMark() {
		repository += markSuffix
	}
	text := path.Join(repository, a.path)
	if a.version != "" {
		text += "@" + a.version
	}
	return text
}

// whole is the repository at this version, without the path.
func (a address) whole() address {
	return address{repository: a.repository, version: a.version, url: a.url}
}

// cloneURL is where git finds the repository.
func (a address) cloneURL() string {
	switch {
	case a.url != "":
		return a.url
	case strings.Contains(a.repository, azureMark):
		return "https://" + a.repository
	}
	return "https://" + a.repository + markSuffix
}

const (
	// markSuffix ends the folder that is a repository where it does not lie two folders below its host, as on GitLab.
	markSuffix = ".git"
	// azureMark stands before the name of a repository on Azure DevOps.
	azureMark = "/_git/"
)

// needsMark tells whether the repository could not be told from its path without the mark.
func (a address) needsMark() bool {
	switch {
	case strings.HasSuffix(a.repository, markSuffix):
		return true
	case isGitHub(a.repository), strings.Contains(a.repository, azureMark):
		return false
	case strings.Count(a.repository, "/") != 2:
		return true
	}
	for segment := range strings.SplitSeq(a.path, "/") {
		if isMarked(segment) || segment == strings.Trim(azureMark, "/") {
			return true
		}
	}
	return false
}

func isMarked(segment string) bool {
	return strings.HasSuffix(segment, markSuffix) && segment != gitFolder
}

var (
	hostPattern    = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9][A-Za-z0-9-]*)*\.[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])(:[0-9]+)?|[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]+)?|localhost:[0-9]+)$`)
	segmentPattern = regexp.MustCompile(`^[A-Za-z0-9_.~+-]+$`)
	commitPattern  = regexp.MustCompile(`^[0-9a-f]{7,40}$`)
)

// isFullCommit tells whether a text is the whole hash of a commit.
func isFullCommit(text string) bool { return len(text) == 40 && commitPattern.MatchString(text) }

// looksAbsolute tells whether a text can be the locator of something in another repository. A relative path whose first
// folder looks like a host name is told apart by the caller, who knows what files exist.
func looksAbsolute(text string) bool {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") {
		return false
	}
	host, rest, ok := strings.Cut(text, "/")
	return ok && hostPattern.MatchString(host) && strings.Contains(strings.Trim(rest, "/"), "/")
}

// CanBeRemote tells whether a text can be the locator of something in another repository; if not, it is a path.
func CanBeRemote(text string) bool {
	return isGitHub(text) || strings.Contains(text, "://") || scpPattern.MatchString(text) || looksAbsolute(text)
}

// isGitHub tells whether a locator names GitHub, which needs no further evidence to be absolute.
func isGitHub(text string) bool {
	const prefix = "github.com/"
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// parseAddress takes host/owner/name[/path][@version] apart. Where a repository lies deeper than two folders below its
// host, as on GitLab, the folder that ends in ".git" marks it.
func parseAddress(text string) (address, error) {
	fail := func(format string, arguments ...any) (address, error) {
		return address{}, fmt.Errorf("%w %q: %s", ErrSyntax, redact(text), fmt.Sprintf(format, arguments...))
	}
	if strings.ContainsAny(text, "\\?#") || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
		return fail("it holds a character that no locator has")
	}
	if strings.Contains(text, "://") {
		return fail("a locator has no scheme: write host/owner/repository/path")
	}
	location, version, hasVersion := strings.Cut(text, "@")
	if hasVersion {
		var file string
		version, file = splitVersion(version)
		if climbs(file) {
			return fail("its path climbs above the repository")
		}
		if strings.Contains(file, "@") {
			return fail("\"@\" starts the version and stands once: a path cannot hold one")
		}
		location = path.Join(location, file)
		if err := checkVersion(version); err != nil {
			return fail("%v", err)
		}
	}
	host, rest, _ := strings.Cut(location, "/")
	if !hostPattern.MatchString(host) {
		return fail("%q is no host name", host)
	}
	host = strings.ToLower(host)
	cleaned := path.Clean("/" + rest)[1:]
	if climbs(rest) {
		return fail("its path climbs above the repository")
	}
	segments := strings.Split(cleaned, "/")
	depth := repositoryDepth(host, segments)
	if len(segments) < depth || segments[0] == "" {
		return fail("it must name a repository as host/owner/repository")
	}
	if isMarked(segments[depth-1]) {
		segments[depth-1] = strings.TrimSuffix(segments[depth-1], markSuffix)
	}
	for _, segment := range segments[:depth] {
		if !segmentPattern.MatchString(segment) || strings.HasPrefix(segment, "-") || strings.Trim(segment, ".") == "" || segment == gitFolder {
			return fail("%q is no name of an owner or a repository", segment)
		}
	}
	return address{
		repository: host + "/" + strings.Join(segments[:depth], "/"),
		path:       strings.Join(segments[depth:], "/"),
		version:    version,
	}, nil
}

// repositoryDepth tells how many folders below the host a repository lies.
func repositoryDepth(host string, segments []string) int {
	const usual = 2
	if host == "github.com" {
		return usual
	}
	for i, segment := range segments {
		switch {
		case isMarked(segment):
			return i + 1
		case segment == strings.Trim(azureMark, "/") && i > 0:
			return i + 2
		}
	}
	return usual
}

// climbs tells whether a relative path leaves the folder it starts in, even if it comes back later.
func climbs(text string) bool {
	depth := 0
	for segment := range strings.SplitSeq(text, "/") {
		switch segment {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// splitVersion separates the version from the path in repo@version/dir/file.star: the form is recognized by the dot in
// its last section. A dot that can only belong to a version (release/1.0) does not make a file of it.
func splitVersion(text string) (version, file string) {
	last := text[strings.LastIndex(text, "/")+1:]
	if !strings.Contains(text, "/") || !fileNamePattern.MatchString(last) {
		return text, ""
	}
	version, file, _ = strings.Cut(text, "/")
	return version, file
}

// fileNamePattern holds for names with an extension that starts with a letter, so that 1.0 is no file.
var fileNamePattern = regexp.MustCompile(`\.[A-Za-z][A-Za-z0-9_-]*$`)

// checkVersion holds a version to what Git lets a tag or branch be called.
func checkVersion(version string) error {
	if version == "" {
		return errors.New("the version after \"@\" is empty: leave \"@\" out for the default branch")
	}
	bad := strings.HasPrefix(version, "-") || strings.Contains(version, "..") || strings.ContainsAny(version, " @~^:*[\\")
	for part := range strings.SplitSeq(version, "/") {
		bad = bad || part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return fmt.Errorf("%q is no tag, branch or commit", version)
	}
	return nil
}

// parseURL understands https://, ssh:// and git@host:path locators, which a user may give for a root package.
func parseURL(text string) (address, bool, error) {
	fail := func(reason string) (address, bool, error) {
		return address{}, true, fmt.Errorf("%w %q: %s", ErrSyntax, redact(text), reason)
	}
	var before, authority, rest string // before and authority are what git's URL starts with
	separator := "/"
	scheme, after, isURL := strings.Cut(text, "://")
	switch {
	case isURL && (scheme == "https" || scheme == "ssh"):
		before = scheme + "://"
		authority, rest, _ = strings.Cut(after, "/")
	case scpPattern.MatchString(text):
		authority, rest, _ = strings.Cut(text, ":")
		separator = ":"
	default:
		return address{}, false, nil
	}
	host := authority[strings.LastIndex(authority, "@")+1:]
	if !hostPattern.MatchString(host) || strings.HasPrefix(authority, "-") {
		return fail(fmt.Sprintf("%q is no host name: give the host's full name", host))
	}
	named := host
	if scheme != "https" {
		// How SSH reaches a host is not part of the repository's name.
		named, _, _ = strings.Cut(host, ":")
	}
	if !hostPattern.MatchString(named) {
		return fail(fmt.Sprintf("%q is no host name: give the host's full name", named))
	}
	parsed, err := parseAddress(named + "/" + rest)
	if err != nil {
		return address{}, true, err
	}
	_, name, _ := strings.Cut(parsed.repository, "/")
	// User, port and scheme stay as they were given.
	parsed.url = before + authority + separator + name
	if !strings.Contains(parsed.repository, azureMark) {
		parsed.url += markSuffix
	}
	return parsed, true, nil
}

// parseLocator takes a locator apart that may also be a URL.
func parseLocator(text string) (address, error) {
	if parsed, ok, err := parseURL(text); ok {
		return parsed, err
	}
	return parseAddress(text)
}

var scpPattern = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.-]*@[A-Za-z0-9.-]+:[^/]`)

// within tells whether a path is a folder or lies below it, by whole segments.
func within(text, folder string) bool {
	return folder == "" || text == folder || strings.HasPrefix(text, folder+"/")
}

// below is what remains of a path under a folder that it lies in.
func below(text, folder string) string {
	return strings.TrimPrefix(strings.TrimPrefix(text, folder), "/")
}
