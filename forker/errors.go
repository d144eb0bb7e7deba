package forker

import (
	"fmt"
	"time"
)

// RuleError tells what is wrong with one rule.
type RuleError struct {
	// Index of the rule in the list.
	Index int
	// Field at fault, for example "match" or "data.mode".
	Field string
	// Key of the resource that the rule does not fit; empty where the rule is wrong for all.
	Key     string
	Message string
}

// Error names the rule, the field and what to do.
func (e *RuleError) Error() string {
	return fmt.Sprintf("rules[%d].%s: %s", e.Index, e.Field, e.Message)
}

// OwnedError tells that a fork of that name belongs to somebody else.
type OwnedError struct {
	Fork      string
	Owner     string
	AccountID string
	CreatedAt time.Time
}

// Error names the fork, its owner and its age.
func (e *OwnedError) Error() string {
	return fmt.Sprintf("the fork %q in account %s belongs to the owner %q since %s (%s ago); choose another name, or set this owner to adopt it",
		e.Fork, e.AccountID, e.Owner, e.CreatedAt.UTC().Format(time.RFC3339), time.Since(e.CreatedAt).Round(time.Second))
}
