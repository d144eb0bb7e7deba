package locator

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// address is an absolute locator, taken apart.
type address struct {
	// repository is host/owner/name without scheme, for example "github.com/owner/repo".
	repository string
	// path inside the repository, slash-separated and clean; empty means the repository itself.
	path string
	// version is a tag, branch or commit; empty means the default branch.
	version string
	// url is what git is called with when the locator itself was a URL; empty means https://<repository>.git.
	url string
}

// full is the address without its version: repository and path.
func (a address) full() string { return path.Join(a.repository, a.path) }

func (a address) String() string {
	text := a.full()
	if a.version != "" {
		text += "@" + a.version
	}
	return text
}

var (
	hostPattern    = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}(:[0-9]+)?$`)
	segmentPattern = regexp.MustCompile(`^[A-Za-z0-9_.~+-]+$`)
	commitPattern  = regexp.MustCompile(`^[0-9a-f]{7,40}$`)
)

// looksAbsolute tells whether a text can be the locator of something in another repository. A relative path whose first
// folder looks like a host name is told apart by the caller, who knows what files exist.
func looksAbsolute(text string) bool {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") {
		return false
	}
	host, rest, ok := strings.Cut(text, "/")
	return ok && hostPattern.MatchString(host) && strings.Contains(strings.Trim(rest, "/"), "/")
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
		return address{}, fmt.Errorf("%w %q: %s", ErrSyntax, text, fmt.Sprintf(format, arguments...))
	}
	if strings.ContainsAny(text, "\\\x00 \t\r\n?#") {
		return fail("it holds a character that no locator has")
	}
	if strings.Contains(text, "://") {
		return fail("a locator has no scheme: write host/owner/repository/path")
	}
	location, version, hasVersion := strings.Cut(text, "@")
	if hasVersion {
		var file string
		version, file = splitVersion(version)
		location = path.Join(location, file)
		if err := checkVersion(version); err != nil {
			return fail("%v", err)
		}
	}
	host, rest, _ := strings.Cut(location, "/")
	if !hostPattern.MatchString(host) {
		return fail("%q is no host name", host)
	}
	cleaned := path.Clean("/" + rest)[1:]
	if climbs(rest) {
		return fail("its path climbs above the repository")
	}
	segments := strings.Split(cleaned, "/")
	depth := 2
	for i, segment := range segments {
		if strings.HasSuffix(segment, ".git") && segment != ".git" {
			depth = i + 1
			segments[i] = strings.TrimSuffix(segment, ".git")
			break
		}
	}
	if len(segments) < depth || segments[0] == "" {
		return fail("it must name a repository as host/owner/repository")
	}
	for _, segment := range segments[:depth] {
		if !segmentPattern.MatchString(segment) || strings.HasPrefix(segment, "-") {
			return fail("%q is no name of an owner or a repository", segment)
		}
	}
	return address{
		repository: strings.ToLower(host) + "/" + strings.Join(segments[:depth], "/"),
		path:       strings.Join(segments[depth:], "/"),
		version:    version,
	}, nil
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

func checkVersion(version string) error {
	switch {
	case version == "":
		return errors.New("the version after \"@\" is empty: leave \"@\" out for the default branch")
	case strings.HasPrefix(version, "-"), strings.Contains(version, ".."), strings.ContainsAny(version, "@~^:*[\\"),
		strings.HasSuffix(version, "/"), strings.HasPrefix(version, "/"), strings.HasSuffix(version, ".lock"):
		return fmt.Errorf("%q is no tag, branch or commit", version)
	}
	return nil
}

// parseURL understands https://, ssh:// and git@host:path locators, which a user may give for a root package.
func parseURL(text string) (address, bool, error) {
	var rest string
	switch {
	case strings.HasPrefix(text, "https://"), strings.HasPrefix(text, "ssh://"):
		_, rest, _ = strings.Cut(text, "://")
		if at := strings.Index(rest, "@"); at >= 0 && at < strings.Index(rest+"/", "/") {
			rest = rest[at+1:]
		}
	case scpPattern.MatchString(text):
		_, rest, _ = strings.Cut(text, "@")
		rest = strings.Replace(rest, ":", "/", 1)
	default:
		return address{}, false, nil
	}
	parsed, err := parseAddress(rest)
	if err != nil {
		return address{}, true, err
	}
	// What git is called with is the given text up to the repository, so that user, port and scheme stay as they are.
	_, name, _ := strings.Cut(parsed.repository, "/")
	start := strings.Index(text, "/"+name)
	if start < 0 {
		start = strings.Index(text, ":"+name)
	}
	if start < 0 {
		return address{}, true, fmt.Errorf("%w %q", ErrSyntax, text)
	}
	parsed.url = text[:start+1+len(name)] + ".git"
	parsed.repository = portPattern.ReplaceAllString(parsed.repository, "/")
	return parsed, true, nil
}

var (
	scpPattern  = regexp.MustCompile(`^[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^/]`)
	portPattern = regexp.MustCompile(`:[0-9]+/`)
)

// within tells whether a path is a folder or lies below it, by whole segments.
func within(text, folder string) bool {
	return folder == "" || text == folder || strings.HasPrefix(text, folder+"/")
}
