package rewrite

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// Counterpart is what the fork has in the place of a resource of production.
type Counterpart struct {
	// Values by form. A form that is missing cannot be rewritten, and what holds it may not be written.
	Values map[descriptor.Form]string
	// Shared resources stay production's own.
	Shared bool
	// Port, User and Password belong to a stand-in that people log in to. Password is nil for everything else.
	Port     int
	User     string
	Password func(user string) string
}

// Accounts are the two sides, for what names an account rather than a resource.
type Accounts struct {
	Production, Sandbox string
	// Regions maps production's regions to those of the sandbox.
	Regions map[string]string
	// Bases are the spellings of production's emulator endpoint, and Endpoint is the fork's as containers see it. Both
	// are empty on real AWS.
	Bases    []string
	Endpoint string
	// SandboxBases are the spellings of the sandbox's emulator endpoint, which becomes Endpoint for containers.
	SandboxBases []string
}

// Change is one identifier that was replaced.
type Change struct {
	Path string
	Key  string
	From string
	To   string
}

// Login is a user of a stand-in that a configuration logs in as.
type Login struct {
	Key      string
	User     string
	Database string
}

// Report tells what a rewriting did.
type Report struct {
	Changes []Change
	Logins  []Login
}

// Rewriter replaces production's identifiers by the fork's, as containers see them.
type Rewriter struct {
	index    *Index
	accounts Accounts
	arns     *regexp.Regexp
	service  *regexp.Regexp

	mutex  sync.RWMutex
	copies map[string]Counterpart
	// own knows the fork's own identifiers, which may have production's account id in their names.
	own *Index
}

// NewRewriter makes a rewriter that knows no counterparts yet.
func NewRewriter(index *Index, accounts Accounts) *Rewriter {
	return &Rewriter{
		index: index, accounts: accounts, copies: map[string]Counterpart{}, own: NewIndex(),
		arns: regexp.MustCompile(`arn:aws[a-z-]*:[a-zA-Z0-9-]*:[a-z0-9*?-]*:` + regexp.QuoteMeta(accounts.Production) +
			`:[^\s"'<>,;|\\{}]*`),
		service: regexp.MustCompile(`https?://[a-z0-9-]+\.([a-z]{2}(?:-[a-z]+)+-[0-9]+)\.amazonaws\.com(?:\.cn)?`),
	}
}

// Set makes known what the fork has in the place of a resource.
func (r *Rewriter) Set(key string, copied Counterpart) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.copies[key] = copied
	if copied.Shared {
		return
	}
	for form, value := range copied.Values {
		if form == descriptor.Name && !strings.Contains(value, r.accounts.Production) {
			continue
		}
		for _, spelling := range []string{value, r.forContainers(value)} {
			// The form matters for what may follow; an identifier of the fork's may be followed by anything inside of it.
			r.own.Add(key, "", nil, []descriptor.Identifier{{Form: descriptor.URL, Value: spelling}})
		}
	}
}

// copy gives the counterpart of a resource.
func (r *Rewriter) copy(key string) (Counterpart, bool) {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	copied, known := r.copies[key]
	return copied, known
}

// Rewrite gives a configuration in which every identifier that has a counterpart is replaced.
func (r *Rewriter) Rewrite(tree any, from Origin) (any, Report) {
	var report Report
	changed := walker{
		object: func(path []string, object map[string]any) map[string]any {
			return r.credentials(object, &report)
		},
		text: func(path []string, text string) string { return r.text(path, text, from, &report) },
	}.walk(nil, tree)
	return changed, report
}

// text rewrites one string.
func (r *Rewriter) text(path []string, text string, from Origin, report *Report) string {
	if text == "" {
		return text
	}
	if text == r.accounts.Production && r.accounts.Production != "" {
		// A value that is exactly the account's id names the account itself.
		report.Changes = append(report.Changes, Change{Path: strings.Join(path, "."), From: text, To: r.accounts.Sandbox})
		return r.accounts.Sandbox
	}
	if hit, ok := r.index.name(text, path, from.Region); ok {
		copied, _ := r.copy(hit.key)
		if value := copied.Values[descriptor.Name]; value != "" && !copied.Shared {
			report.Changes = append(report.Changes, Change{Path: strings.Join(path, "."), Key: hit.key, From: text, To: value})
			return value
		}
		if copied.Shared {
			return text
		}
	}
	text = r.urls(path, text, report)
	text = r.keyValues(path, text, report)
	text = r.exact(path, text, from, report)
	text = r.patterns(path, text, report)
	return r.endpoints(text)
}

// exact replaces exact identifiers.
func (r *Rewriter) exact(path []string, text string, from Origin, report *Report) string {
	var changed strings.Builder
	rest := 0
	for _, hit := range r.index.scan(text, from.Region) {
		copied, known := r.copy(hit.key)
		value := copied.Values[hit.identifier.Form]
		if !known || copied.Shared || value == "" {
			continue
		}
		value = r.forContainers(value)
		changed.WriteString(text[rest:hit.start])
		changed.WriteString(value)
		rest = hit.end
		if hit.identifier.Form == descriptor.Host && copied.Port != 0 {
			// The port behind a stand-in's host is the stand-in's.
			if digits := leadingPort(text[rest:]); digits > 0 {
				changed.WriteString(":" + strconv.Itoa(copied.Port))
				rest += digits
			}
		}
		report.Changes = append(report.Changes,
			Change{Path: strings.Join(path, "."), Key: hit.key, From: hit.identifier.Value, To: value})
	}
	if rest == 0 {
		return text
	}
	changed.WriteString(text[rest:])
	return changed.String()
}

// leadingPort tells how long a ":5432" at the beginning of a text is.
func leadingPort(text string) int {
	if !strings.HasPrefix(text, ":") {
		return 0
	}
	end := 1
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	if end == 1 {
		return 0
	}
	return end
}

// patterns rewrites ARNs that name no known resource but the account itself or, with wildcards, many resources. A
// pattern over resources of which the fork has copies becomes the pattern over the copies.
func (r *Rewriter) patterns(path []string, text string, report *Report) string {
	return r.arns.ReplaceAllStringFunc(text, func(arn string) string {
		parts := strings.SplitN(arn, ":", 6)
		wildcard := strings.ContainsAny(parts[5], "*?")
		if !wildcard && parts[5] != "root" {
			return arn
		}
		changed := r.likeCopies(arn)
		if changed == "" {
			parts[4] = r.accounts.Sandbox
			if region, mapped := r.accounts.Regions[parts[3]]; mapped {
				parts[3] = region
			}
			changed = strings.Join(parts, ":")
		}
		report.Changes = append(report.Changes, Change{Path: strings.Join(path, "."), From: arn, To: changed})
		return changed
	})
}

// likeCopies changes a pattern as the ARNs that it matches were changed, if they were all changed alike.
func (r *Rewriter) likeCopies(pattern string) string {
	prefix := pattern[:strings.IndexAny(pattern+"*", "*?")]
	found := ""
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	for _, key := range slices.Sorted(maps.Keys(r.copies)) {
		copied := r.copies[key]
		target := copied.Values[descriptor.ARN]
		source := r.index.arn(key)
		rest, matches := strings.CutPrefix(source, prefix)
		if target == "" || copied.Shared || !matches || !like(pattern, source) {
			continue
		}
		begin, same := strings.CutSuffix(target, rest)
		candidate := begin + pattern[len(prefix):]
		if !same || found != "" && found != candidate {
			return ""
		}
		found = candidate
	}
	return found
}

// like matches a policy's pattern: "*" for any characters, "?" for one.
func like(pattern, text string) bool {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(strings.ReplaceAll(quoted, `\*`, ".*"), `\?`, ".")
	matched, err := regexp.MatchString("^"+quoted+"$", text)
	return err == nil && matched
}

// endpoints rewrites the endpoint of an emulator, or of a service where the fork has an emulator in its place.
func (r *Rewriter) endpoints(text string) string {
	if r.accounts.Endpoint != "" {
		for _, base := range slices.Concat(r.accounts.Bases, r.accounts.SandboxBases) {
			text = replaceBase(text, base, r.accounts.Endpoint)
		}
	}
	return r.service.ReplaceAllStringFunc(text, func(address string) string {
		if r.accounts.Endpoint != "" {
			return r.accounts.Endpoint
		}
		region := r.service.FindStringSubmatch(address)[1]
		if mapped, ok := r.accounts.Regions[region]; ok {
			return strings.Replace(address, region, mapped, 1)
		}
		return address
	})
}

// forContainers spells an identifier of the fork as containers see it.
func (r *Rewriter) forContainers(value string) string {
	if r.accounts.Endpoint == "" {
		return value
	}
	for _, base := range r.accounts.SandboxBases {
		value = replaceBase(value, base, r.accounts.Endpoint)
	}
	return value
}

// replaceBase replaces an endpoint where it is whole: "http://127.0.0.1:50001" does not begin with the endpoint on port
// 5000.
func replaceBase(text, base, replacement string) string {
	var changed strings.Builder
	for {
		before, after, found := strings.Cut(text, base)
		changed.WriteString(before)
		if !found {
			return changed.String()
		}
		if after == "" || !isWord(after[0]) && after[0] != '.' && after[0] != '-' {
			changed.WriteString(replacement)
		} else {
			changed.WriteString(base)
		}
		text = after
	}
}
