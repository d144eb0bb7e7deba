package services

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// trustInFork gives the part of a role's trust policy that makes sense in a fork: services, and roles of production,
// which have copies of their own. Everybody else loses their access to the copy, and a note says who: people and pipelines
// of production have no business in a fork, and other accounts even less.
func trustInFork(document any, production string) (any, []descriptor.Note) {
	if _, readable := document.(map[string]any); !readable {
		return nil, []descriptor.Note{{Kind: "not-copied", Severity: "warning", Message: "its trust policy cannot be read, so nobody may assume the copy"}}
	}
	trust, dropped := statementsInFork(document, func(kind, principal string) bool {
		return kind == "Service" || kind == "AWS" && isRoleOf(principal, production)
	})
	var own, foreign []string
	for _, principal := range dropped {
		if accountOf(principal) == production {
			own = append(own, principal)
		} else {
			foreign = append(foreign, principal)
		}
	}
	var notes []descriptor.Note
	if len(own) > 0 {
		notes = append(notes, descriptor.Note{Kind: "not-copied", Severity: "info", Message: "the copy does not trust these principals of production's account: " +
			strings.Join(sortedSet(own), ", ")})
	}
	if len(foreign) > 0 {
		notes = append(notes, descriptor.Note{Kind: "hazard", Severity: "warning", Message: "production trusts outsiders, whom the copy does not: " +
			strings.Join(sortedSet(foreign), ", ")})
	}
	return trust, notes
}

// statementsInFork leaves out of a policy with principals those who are not to be kept, and statements that nobody is left
// in. Nil: no statement is left.
func statementsInFork(document any, keep func(kind, principal string) bool) (kept any, dropped []string) {
	fields, ok := document.(map[string]any)
	if !ok {
		return nil, nil
	}
	var statements []any
	for _, statement := range listed(fields["Statement"]) {
		rule, ok := statement.(map[string]any)
		if !ok {
			continue
		}
		principals, gone := principalsInFork(rule, keep)
		dropped = append(dropped, gone...)
		if principals == nil {
			continue
		}
		changed := maps.Clone(rule)
		changed["Principal"] = principals
		statements = append(statements, changed)
	}
	if len(statements) == 0 {
		return nil, dropped
	}
	changed := maps.Clone(fields)
	changed["Statement"] = statements
	return changed, dropped
}

// principalsInFork divides the principals of one statement. Nil: none is left. A denial keeps meaning everybody.
func principalsInFork(rule map[string]any, keep func(kind, principal string) bool) (kept any, dropped []string) {
	if _, inverted := rule["NotPrincipal"]; inverted {
		return nil, []string{"everybody but those that a statement excludes"}
	}
	deny := rule["Effect"] == "Deny"
	byType, ok := rule["Principal"].(map[string]any)
	if !ok {
		if deny {
			return rule["Principal"], nil
		}
		return nil, []string{"everybody"}
	}
	left := map[string]any{}
	for kind, value := range byType {
		var staying []any
		for _, one := range listed(value) {
			name, _ := one.(string)
			switch {
			case keep(kind, name), deny && name == "*":
				staying = append(staying, name)
			case name == "*":
				dropped = append(dropped, "everybody")
			default:
				dropped = append(dropped, name)
			}
		}
		switch len(staying) {
		case 0:
		case 1:
			left[kind] = staying[0]
		default:
			left[kind] = staying
		}
	}
	if len(left) == 0 {
		return nil, dropped
	}
	return left, dropped
}

// isRoleOf tells whether a principal is a role of the account, or a session of one, that a fork may have a copy of.
func isRoleOf(principal, account string) bool {
	parsed, err := arn.Parse(principal)
	if err != nil || parsed.AccountID != account {
		return false
	}
	path, isRole := strings.CutPrefix(parsed.Resource, "role")
	reserved := slices.ContainsFunc(iamReserved, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
	return isRole && !reserved || strings.HasPrefix(parsed.Resource, "assumed-role/")
}

// accountOf gives the account of a principal: an ARN, or the account's bare id.
func accountOf(principal string) string {
	if parsed, err := arn.Parse(principal); err == nil {
		return parsed.AccountID
	}
	return principal
}

// listed gives the elements of a value that policies spell as one or as a list.
func listed(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		return []any{value}
	}
}

func sortedSet(values []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

// trustOfCopy completes a trust policy for the copy. A role that a service works with also lends its credentials to the
// containers that stand for that service, by way of the sandbox account itself. A role that nobody is left to assume gets
// a policy all the same, because the service takes none without.
func trustOfCopy(trust any, partition, sandbox string) any {
	fields, ok := trust.(map[string]any)
	if !ok || len(listed(fields["Statement"])) == 0 {
		return closedTrust()
	}
	byService := slices.ContainsFunc(listed(fields["Statement"]), func(statement any) bool {
		rule, _ := statement.(map[string]any)
		principals, _ := rule["Principal"].(map[string]any)
		return rule["Effect"] == "Allow" && principals["Service"] != nil
	})
	if !byService {
		return trust
	}
	completed := maps.Clone(fields)
	completed["Statement"] = append(slices.Clone(listed(fields["Statement"])), map[string]any{
		"Sid": "SundogLendsToContainers", "Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": map[string]any{"AWS": "arn:" + partition + ":iam::" + sandbox + ":root"},
	})
	return completed
}

// closedTrust lets nobody in.
func closedTrust() any {
	return map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Sid": "SundogNobody", "Effect": "Deny", "Action": "sts:AssumeRole", "Principal": map[string]any{"AWS": "*"},
	}}}
}
