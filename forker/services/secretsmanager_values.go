package services

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

const (
	// madeUpMark marks a part of a value that is made up when it is written: once, so that it stays the same, and a key
	// of a test account that a team puts in its place stays too.
	madeUpMark = "sundog:made-up"
	// secretStub begins every made-up value, so that nobody takes it for a real one.
	secretStub = "stub-"
)

// secretPlain are fields whose text says nothing that must not be copied, in lower case.
var secretPlain = []string{
	"engine", "dbname", "database", "db", "schema", "port", "region", "sslmode", "protocol", "scheme", "driver",
	"dbinstanceidentifier", "dbclusteridentifier",
}

// secretOptions are the parts of a connection string that may be copied together with its host. The password is not plain,
// but whoever rewrites the host replaces it.
var secretOptions = []string{
	"host", "hostaddr", "server", "port", "user", "uid", "username", "password", "pwd", "dbname", "database", "sslmode", "ssl",
	"connect_timeout", "application_name", "encrypt", "driver", "protocol",
}

var (
	// secretHost is the host of one customer's resource at AWS, like that of a database. The forker replaces such a host,
	// and the password with it, or refuses to write the value at all.
	secretHost = regexp.MustCompile(`(?i)^(tcp:)?[a-z0-9-]+(\.[a-z0-9-]+){2,}\.amazonaws\.com(\.cn)?(:[0-9]+)?$`)
	secretPair = regexp.MustCompile(`(?i)([a-z_][a-z_ ]*?)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s;]*)[\s;]*`)
)

// secretForFork gives the part of a value that may leave production: logins of databases at AWS, whose host and password
// the forker replaces by those of the fork, identifiers of AWS resources, and fields that are no secrets. Everything else
// becomes madeUpMark, key by key: a copied key of a third party would charge real cards, and a copied token would open
// production's doors.
func secretForFork(text string, scope descriptor.Scope) string {
	tree, err := descriptor.ParseTree([]byte(text))
	if err != nil {
		return secretText("", text, scope)
	}
	switch tree.(type) {
	case map[string]any, []any:
	default:
		// A bare number or word that happens to be JSON.
		return secretText("", text, scope)
	}
	encoded, err := descriptor.Encode(secretTree("", tree, scope))
	if err != nil {
		return madeUpMark
	}
	return encoded
}

func secretTree(field string, tree any, scope descriptor.Scope) any {
	switch value := tree.(type) {
	case map[string]any:
		changed := make(map[string]any, len(value))
		for name, element := range value {
			if text, ok := element.(string); ok && ofDatabase(name, text, value) {
				changed[name] = text
				continue
			}
			changed[name] = secretTree(name, element, scope)
		}
		return changed
	case []any:
		changed := make([]any, len(value))
		for index, element := range value {
			changed[index] = secretTree(field, element, scope)
		}
		return changed
	case string:
		return secretText(field, value, scope)
	case json.Number:
		if sounds(field) {
			// A number that is a secret, like a PIN.
			return json.Number("0")
		}
		return value
	default:
		return value
	}
}

// sounds tells whether a field's name speaks of a secret.
func sounds(field string) bool {
	field = strings.ToLower(field)
	return slices.ContainsFunc([]string{"pin", "pass", "pwd", "secret", "token", "key", "code", "otp"}, func(word string) bool {
		return strings.Contains(field, word)
	})
}

// ofDatabase tells whether a field is the host of a database at AWS, or a user or password beside one: {"host",
// "password"}, {"DB_HOST", "DB_PASSWORD"}. The forker pairs fields in the same way when it replaces them. A user alone is
// not plain: third parties let people log in with a key in its place.
func ofDatabase(name, value string, object map[string]any) bool {
	if _, isHost := databaseField(name, "hostname", "host", "server", "address", "endpoint"); isHost {
		return secretHost.MatchString(value)
	}
	prefix, isLogin := databaseField(name, "username", "user_name", "user", "login", "password", "passwd", "pass", "pwd")
	if !isLogin {
		return false
	}
	for other, element := range object {
		text, _ := element.(string)
		otherPrefix, isHost := databaseField(other, "hostname", "host", "server", "address", "endpoint")
		if isHost && otherPrefix == prefix && secretHost.MatchString(text) {
			return true
		}
	}
	return false
}

// databaseField divides a field's name into a prefix and one of the given endings.
func databaseField(name string, endings ...string) (prefix string, found bool) {
	name = strings.ToLower(name)
	for _, ending := range endings {
		if before, ok := strings.CutSuffix(name, ending); ok {
			return strings.TrimRight(before, "_-."), true
		}
	}
	return "", false
}

// secretText decides about one string.
func secretText(field, text string, scope descriptor.Scope) string {
	switch {
	case text == "", arn.IsARN(text), slices.Contains(secretPlain, strings.ToLower(field)):
		return text
	case isDatabaseURL(text), isDatabasePairs(text), isServiceURL(text, scope):
		return text
	default:
		return madeUpMark
	}
}

// isDatabaseURL recognises postgres://user:password@host/db and jdbc:postgresql://host/db?user=…&password=….
func isDatabaseURL(text string) bool {
	parsed, err := url.Parse(strings.TrimPrefix(text, "jdbc:"))
	// Characters at which a URL ends inside of a text would hide its password from the forker.
	if err != nil || parsed.Fragment != "" || !secretHost.MatchString(parsed.Host) || strings.HasPrefix(parsed.Scheme, "http") ||
		strings.ContainsAny(text, `"'<>|\ `) {
		return false
	}
	for name := range parsed.Query() {
		name = strings.ToLower(name)
		if !slices.Contains(secretOptions, name) || name == "pwd" || name == "uid" {
			return false
		}
	}
	return true
}

// isDatabasePairs recognises "host=… user=… password=…" and "Server=…;Uid=…;Pwd=…" with nothing else in them.
func isDatabasePairs(text string) bool {
	atHost := false
	rest := secretPair.ReplaceAllStringFunc(text, func(pair string) string {
		fields := secretPair.FindStringSubmatch(pair)
		name := strings.ToLower(strings.TrimSpace(fields[1]))
		if !slices.Contains(secretOptions, name) {
			return pair
		}
		atHost = atHost || (name == "host" || name == "server") && secretHost.MatchString(strings.Trim(fields[2], "'"))
		return ""
	})
	return atHost && strings.TrimSpace(rest) == ""
}

// isServiceURL recognises the URL of an AWS resource such as a queue. With a query it may be signed, and so a secret.
func isServiceURL(text string, scope descriptor.Scope) bool {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return false
	}
	if strings.HasSuffix(strings.ToLower(parsed.Hostname()), "."+scope.DNSSuffix()) {
		return true
	}
	return slices.ContainsFunc(scope.Bases, func(base string) bool { return strings.HasPrefix(text, base+"/") })
}

// completeSecret replaces the marks in a value: by what the copy has there already, or by something new.
func completeSecret(wanted, current string) (string, error) {
	if wanted == madeUpMark {
		if current != "" {
			return current, nil
		}
		return madeUpValue()
	}
	if !strings.Contains(wanted, madeUpMark) {
		return wanted, nil
	}
	tree, err := descriptor.ParseTree([]byte(wanted))
	if err != nil {
		return "", err
	}
	// What cannot be read has no parts to keep.
	before, _ := descriptor.ParseTree([]byte(current))
	completed, err := completeTree(tree, before)
	if err != nil {
		return "", err
	}
	return descriptor.Encode(completed)
}

func completeTree(wanted, current any) (any, error) {
	switch wanted := wanted.(type) {
	case map[string]any:
		before, _ := current.(map[string]any)
		completed := make(map[string]any, len(wanted))
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			value, err := completeTree(wanted[name], before[name])
			if err != nil {
				return nil, err
			}
			completed[name] = value
		}
		return completed, nil
	case []any:
		before, _ := current.([]any)
		completed := make([]any, len(wanted))
		for index := range wanted {
			var old any
			if index < len(before) {
				old = before[index]
			}
			value, err := completeTree(wanted[index], old)
			if err != nil {
				return nil, err
			}
			completed[index] = value
		}
		return completed, nil
	case string:
		if wanted != madeUpMark {
			return wanted, nil
		}
		if old, ok := current.(string); ok && old != "" {
			return old, nil
		}
		return madeUpValue()
	default:
		return wanted, nil
	}
}

// madeUpValue is random: nobody who knows a fork can guess the tokens that its services check.
func madeUpValue() (string, error) {
	return secretStub + strings.ToLower(rand.Text()), nil
}

// secretValue reads a copy's value for a container. The selector is what follows the ARN in a task definition:
// ":field:stage:version".
func secretValue(ctx context.Context, client secretsWriter, target descriptor.Target, selector string) (string, error) {
	parts := append(strings.Split(strings.TrimPrefix(selector, ":"), ":"), "", "", "")
	output, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(target.Name)})
	if err != nil {
		return "", fmt.Errorf("read the value of secret %s: %w", target.Name, secretGone(err))
	}
	field, value := parts[0], aws.ToString(output.SecretString)
	if output.SecretString == nil {
		value = string(output.SecretBinary)
	}
	if parts[2] != "" || parts[1] != "" && parts[1] != "AWSCURRENT" {
		return "", fmt.Errorf("the copy of secret %s has only its current version, but %q asks for another", target.SourceName, selector)
	}
	// A value that was made up as a whole stands for each of its fields: which there are was not read.
	if field == "" || strings.HasPrefix(value, secretStub) {
		return value, nil
	}
	fields, err := descriptor.Decode[map[string]any](json.RawMessage(value))
	if err != nil {
		return "", fmt.Errorf("the value of secret %s is no JSON object, but its field %q is asked for", target.Name, field)
	}
	switch found := fields[field].(type) {
	case nil:
		return "", fmt.Errorf("the value of secret %s has no field %q", target.Name, field)
	case string:
		return found, nil
	default:
		return descriptor.Encode(found)
	}
}
