package rewrite

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

var (
	// addresses finds URLs in a text: scheme, authority, the rest.
	addresses = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s"'<>|\\/?#]+)([^\s"'<>|\\]*)`)
	// pairs finds the fields of connection strings such as "host=db port=5432" and "Server=db;User Id=app".
	pairs = regexp.MustCompile(`(?i)\b(host|hostaddr|server|data source|port|user|user id|uid|username|password|pwd|dbname|database|initial catalog)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s;]*)`)
)

// database finds the stand-in that a host, with or without a port, belongs to.
func (r *Rewriter) database(host string) (named, Counterpart, bool) {
	name, _, _ := strings.Cut(host, ":")
	for _, candidate := range r.index.exact[strings.ToLower(name)] {
		if candidate.identifier.Form != descriptor.Host {
			continue
		}
		if copied, _ := r.copy(candidate.key); copied.Password != nil {
			return candidate, copied, true
		}
	}
	return named{}, Counterpart{}, false
}

// urls rewrites the addresses of stand-ins: host, port, and the password of the user.
func (r *Rewriter) urls(path []string, text string, report *Report) string {
	return addresses.ReplaceAllStringFunc(text, func(address string) string {
		parts := addresses.FindStringSubmatch(address)
		scheme, authority, rest := parts[1], parts[2], parts[3]
		userinfo, hosts := "", authority
		if cut := strings.LastIndex(authority, "@"); cut >= 0 {
			userinfo, hosts = authority[:cut], authority[cut+1:]
		}
		first, _, _ := strings.Cut(hosts, ",")
		hit, copied, ok := r.database(first)
		if !ok {
			return address
		}
		login := Login{Key: hit.key, User: copied.User, Database: databaseOf(rest)}
		host := copied.Values[descriptor.Host] + ":" + strconv.Itoa(copied.Port)
		if user, _, hasPassword := strings.Cut(userinfo, ":"); userinfo != "" {
			login.User = unescape(user)
			userinfo = user
			if hasPassword {
				userinfo += ":" + url.QueryEscape(copied.Password(login.User))
			}
			userinfo += "@"
		}
		before, query, hasQuery := strings.Cut(rest, "?")
		if hasQuery {
			query, login.User = rewriteQuery(query, login.User, copied)
			rest = before + "?" + query
		}
		report.Logins = append(report.Logins, login)
		report.Changes = append(report.Changes,
			Change{Path: strings.Join(path, "."), Key: hit.key, From: hit.identifier.Value, To: host})
		return scheme + userinfo + host + rest
	})
}

// rewriteQuery replaces the password in a query like that of a JDBC address, whose user may be there too.
func rewriteQuery(query, user string, copied Counterpart) (changed, login string) {
	fields := strings.Split(query, "&")
	for _, field := range fields {
		if name, value, _ := strings.Cut(field, "="); strings.EqualFold(name, "user") {
			user = unescape(value)
		}
	}
	for index, field := range fields {
		if name, _, _ := strings.Cut(field, "="); strings.EqualFold(name, "password") {
			fields[index] = name + "=" + url.QueryEscape(copied.Password(user))
		}
	}
	return strings.Join(fields, "&"), user
}

func databaseOf(rest string) string {
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	return unescape(rest)
}

func unescape(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// keyValues rewrites connection strings made of fields.
func (r *Rewriter) keyValues(path []string, text string, report *Report) string {
	if !strings.Contains(text, "=") {
		return text
	}
	fields := map[string]string{}
	for _, pair := range pairs.FindAllStringSubmatch(text, -1) {
		fields[fieldRole(pair[1])] = strings.Trim(pair[2], "'")
	}
	hit, copied, ok := r.database(strings.TrimPrefix(fields["host"], "tcp:"))
	if !ok {
		return text
	}
	user := fields["user"]
	if user == "" {
		user = copied.User
	}
	report.Logins = append(report.Logins, Login{Key: hit.key, User: user, Database: fields["database"]})
	report.Changes = append(report.Changes,
		Change{Path: strings.Join(path, "."), Key: hit.key, From: hit.identifier.Value, To: copied.Values[descriptor.Host]})
	return pairs.ReplaceAllStringFunc(text, func(pair string) string {
		name, _, _ := strings.Cut(pair, "=")
		switch fieldRole(name) {
		case "host":
			return name + "=" + copied.Values[descriptor.Host]
		case "port":
			return name + "=" + strconv.Itoa(copied.Port)
		case "password":
			return name + "=" + copied.Password(user)
		default:
			return pair
		}
	})
}

// fieldRole tells what a field of a connection string, of a secret or of an environment holds.
func fieldRole(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "host", "hostname", "hostaddr", "server", "data source", "address", "endpoint", "addr":
		return "host"
	case "port":
		return "port"
	case "user", "user id", "uid", "username", "user_name", "login":
		return "user"
	case "password", "pwd", "pass", "passwd":
		return "password"
	case "dbname", "database", "initial catalog", "name":
		return "database"
	default:
		return ""
	}
}

// credentials rewrites what belongs to a stand-in in fields beside each other: {"host": …, "username": …, "password": …}
// in a secret, DB_HOST, DB_USER and DB_PASSWORD in an environment.
func (r *Rewriter) credentials(object map[string]any, report *Report) map[string]any {
	var changed map[string]any
	for _, field := range slices.Sorted(maps.Keys(object)) {
		text, isText := object[field].(string)
		prefix, role := splitField(field)
		if !isText || role != "host" {
			continue
		}
		hit, copied, ok := r.database(text)
		if !ok {
			continue
		}
		siblings := map[string]string{}
		for other := range object {
			if otherPrefix, otherRole := splitField(other); otherRole != "" && otherPrefix == prefix {
				siblings[otherRole] = other
			}
		}
		user := copied.User
		if given, ok := object[siblings["user"]].(string); ok && given != "" {
			user = given
		}
		database, _ := object[siblings["database"]].(string)
		report.Logins = append(report.Logins, Login{Key: hit.key, User: user, Database: database})
		if changed == nil {
			changed = maps.Clone(object)
		}
		if _, has := object[siblings["password"]].(string); has {
			changed[siblings["password"]] = copied.Password(user)
		}
		switch object[siblings["port"]].(type) {
		case string:
			changed[siblings["port"]] = strconv.Itoa(copied.Port)
		case json.Number, float64, int, int64:
			changed[siblings["port"]] = json.Number(strconv.Itoa(copied.Port))
		}
	}
	if changed == nil {
		return object
	}
	return changed
}

// splitField divides a field's name into a prefix that groups fields and the role of this one: DB_HOST is the host of
// "DB_".
func splitField(field string) (prefix, role string) {
	for _, known := range []string{
		"hostname", "hostaddr", "host", "server", "address", "endpoint", "addr", "port", "username", "user_name", "user",
		"login", "password", "passwd", "pass", "pwd", "dbname", "database", "name",
	} {
		if len(field) < len(known) || !strings.EqualFold(field[len(field)-len(known):], known) {
			continue
		}
		return field[:len(field)-len(known)], fieldRole(known)
	}
	return "", ""
}
