package rewrite

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Hit is a reference to production that is left in something about to be written.
type Hit struct {
	// Path of the value in the configuration.
	Path string
	// Key of the resource that it names, where it is a known one.
	Key string
	// What names production: an ARN, a host, an account id. It is no secret.
	What string
}

var tokens = regexp.MustCompile(`[^\s"'<>|\\,;(){}\[\]]+`)

// hostsOfAWS are hosts below a service's own endpoint: they belong to somebody's resource.
var hostsOfAWS = regexp.MustCompile(`(?i)[a-z0-9][a-z0-9.-]*\.amazonaws\.com(?:\.cn)?`)

// Residual finds what points at production in a value to be written. Resources that are shared may be named.
func (r *Rewriter) Residual(tree any, from Origin) []Hit {
	var hits []Hit
	walker{text: func(path []string, text string) string {
		for _, hit := range r.residualText(text, from) {
			hit.Path = strings.Join(path, ".")
			if !slices.Contains(hits, hit) {
				hits = append(hits, hit)
			}
		}
		return text
	}}.walk(nil, tree)
	return hits
}

// Scrub gives the tree without the values that point at production: what a shell may be made of.
func (r *Rewriter) Scrub(tree any, from Origin) any {
	switch value := tree.(type) {
	case map[string]any:
		kept := make(map[string]any, len(value))
		for field, element := range value {
			if _, text := element.(string); text && len(r.Residual(element, from)) > 0 {
				continue
			}
			if len(r.Residual(field, from)) == 0 {
				kept[field] = r.Scrub(element, from)
			}
		}
		return kept
	case []any:
		kept := make([]any, 0, len(value))
		for _, element := range value {
			if _, text := element.(string); text && len(r.Residual(element, from)) > 0 {
				continue
			}
			kept = append(kept, r.Scrub(element, from))
		}
		return kept
	default:
		return tree
	}
}

func (r *Rewriter) residualText(text string, from Origin) []Hit {
	var hits []Hit
	if text == r.accounts.Production && text != "" {
		return []Hit{{What: "account " + text}}
	}
	// What is the fork's own, or shared, is taken out first: it may have production's account id in its name.
	rest := r.withoutOwn(text)
	var cleared strings.Builder
	position := 0
	for _, hit := range r.index.scan(rest, from.Region) {
		copied, _ := r.copy(hit.key)
		cleared.WriteString(rest[position:hit.start])
		cleared.WriteByte(' ')
		position = hit.end
		if copied.Shared || copied.Values[hit.identifier.Form] == hit.identifier.Value {
			// What follows belongs to it, for example the path of an object.
			position += len(rest[hit.end:]) - len(strings.TrimLeftFunc(rest[hit.end:], func(letter rune) bool {
				return !strings.ContainsRune(" \t\n\"',;", letter)
			}))
			continue
		}
		hits = append(hits, Hit{Key: hit.key, What: hit.identifier.Value})
	}
	cleared.WriteString(rest[min(position, len(rest)):])
	return append(hits, r.residualTokens(cleared.String())...)
}

// residualTokens finds what names production's account without being a known identifier.
func (r *Rewriter) residualTokens(text string) []Hit {
	var hits []Hit
	for _, arn := range r.arns.FindAllString(text, -1) {
		hits = append(hits, Hit{What: arn})
	}
	text = r.arns.ReplaceAllString(text, " ")
	for _, token := range tokens.FindAllString(text, -1) {
		address := strings.Contains(token, "://") || strings.Contains(token, ".amazonaws.com")
		if address && r.accounts.Production != "" && containsNumber(token, r.accounts.Production) {
			hits = append(hits, Hit{What: "account " + r.accounts.Production + " in " + hostOf(token)})
			continue
		}
		for _, host := range hostsOfAWS.FindAllString(token, -1) {
			labels, _, _ := strings.Cut(strings.ToLower(host), ".amazonaws.com")
			if strings.Count(labels, ".") >= 2 {
				hits = append(hits, Hit{What: host})
			}
		}
	}
	return hits
}

// withoutOwn takes the fork's own identifiers out of a text.
func (r *Rewriter) withoutOwn(text string) string {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	var rest strings.Builder
	position := 0
	for _, hit := range r.own.scan(text, "") {
		rest.WriteString(text[position:hit.start])
		rest.WriteByte(' ')
		position = hit.end
	}
	rest.WriteString(text[position:])
	return rest.String()
}

// containsNumber tells whether a number stands in a text by itself, not as a part of a longer one.
func containsNumber(text, number string) bool {
	for start := 0; ; {
		index := strings.Index(text[start:], number)
		if index < 0 {
			return false
		}
		begin, end := start+index, start+index+len(number)
		if (begin == 0 || !isDigit(text[begin-1])) && (end == len(text) || !isDigit(text[end])) {
			return true
		}
		start = end
	}
}

func isDigit(letter byte) bool { return letter >= '0' && letter <= '9' }

// hostOf gives the host of an address for a message: the rest may hold a password.
func hostOf(token string) string {
	if parsed, err := url.Parse(token); err == nil && parsed.Host != "" {
		return parsed.Hostname() + parsed.EscapedPath()
	}
	return "an address"
}
