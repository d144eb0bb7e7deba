package main

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// accounts knows which account an access key belongs to. Nothing on the wire says it, so it is learnt from the answers
// that issue keys: a role's keys belong to the account in the role's ARN.
type accounts struct {
	mu    sync.RWMutex
	known map[string]string
	// fallback is the account of keys that were issued by nobody: the emulator's default account.
	fallback string
}

// newAccounts starts with no knowledge.
func newAccounts(fallback string) *accounts {
	return &accounts{known: map[string]string{}, fallback: fallback}
}

// of returns the account of an access key.
func (a *accounts) of(accessKey string) string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if account, ok := a.known[accessKey]; ok {
		return account
	}
	return a.fallback
}

// issuesKeys says whether an operation's answer holds a new access key.
func issuesKeys(service, operation string) bool {
	switch service {
	case "sts":
		return strings.HasPrefix(operation, "AssumeRole") || operation == "GetSessionToken" || operation == "GetFederationToken"
	case "iam":
		return operation == "CreateAccessKey"
	default:
		return false
	}
}

// learn reads the answer of an operation that issues keys. caller is the account that asked, which is the new key's
// account unless a role says otherwise.
func (a *accounts) learn(caller string, request url.Values, answer []byte) {
	account := caller
	if named := accountOfARN(request.Get("RoleArn")); named != "" {
		account = named
	}
	if key := issuedKey(answer); key != "" {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.known[key] = account
	}
}

// arnAccount finds the account in an ARN: arn:partition:service:region:account:resource.
var arnAccount = regexp.MustCompile(`^arn:[^:]*:[^:]*:[^:]*:([0-9]{12}):`)

func accountOfARN(arn string) string {
	if found := arnAccount.FindStringSubmatch(arn); found != nil {
		return found[1]
	}
	return ""
}

// issuedKey finds the access key id in an answer, which is XML, or JSON for clients that ask for it.
func issuedKey(answer []byte) string {
	var tree any
	if json.Unmarshal(answer, &tree) == nil {
		return findKey(tree)
	}
	decoder := xml.NewDecoder(strings.NewReader(string(answer)))
	for {
		token, err := decoder.Token()
		if err != nil {
			return "" // The end, or no XML: either way there is no key in it.
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "AccessKeyId" {
			var key string
			if err := decoder.DecodeElement(&key, &start); err != nil {
				return ""
			}
			return strings.TrimSpace(key)
		}
	}
}

func findKey(tree any) string {
	object, ok := tree.(map[string]any)
	if !ok {
		return ""
	}
	if key, ok := object["AccessKeyId"].(string); ok {
		return key
	}
	for _, child := range object {
		if key := findKey(child); key != "" {
			return key
		}
	}
	return ""
}
