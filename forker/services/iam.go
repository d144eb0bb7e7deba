package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type iamReader interface {
	iamRoleReader
	GetAccountAuthorizationDetails(context.Context, *iam.GetAccountAuthorizationDetailsInput, ...func(*iam.Options)) (*iam.GetAccountAuthorizationDetailsOutput, error)
	ListRoles(context.Context, *iam.ListRolesInput, ...func(*iam.Options)) (*iam.ListRolesOutput, error)
	ListPolicies(context.Context, *iam.ListPoliciesInput, ...func(*iam.Options)) (*iam.ListPoliciesOutput, error)
	GetPolicy(context.Context, *iam.GetPolicyInput, ...func(*iam.Options)) (*iam.GetPolicyOutput, error)
	GetPolicyVersion(context.Context, *iam.GetPolicyVersionInput, ...func(*iam.Options)) (*iam.GetPolicyVersionOutput, error)
}

// iamRoleReader reads one role whole, of production's as well as a copy.
type iamRoleReader interface {
	GetRole(context.Context, *iam.GetRoleInput, ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	ListRolePolicies(context.Context, *iam.ListRolePoliciesInput, ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error)
	GetRolePolicy(context.Context, *iam.GetRolePolicyInput, ...func(*iam.Options)) (*iam.GetRolePolicyOutput, error)
	ListAttachedRolePolicies(context.Context, *iam.ListAttachedRolePoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error)
}

type iamWriter interface {
	iamRoleReader
	iamPolicyWriter
	CreateRole(context.Context, *iam.CreateRoleInput, ...func(*iam.Options)) (*iam.CreateRoleOutput, error)
	UpdateRole(context.Context, *iam.UpdateRoleInput, ...func(*iam.Options)) (*iam.UpdateRoleOutput, error)
	UpdateAssumeRolePolicy(context.Context, *iam.UpdateAssumeRolePolicyInput, ...func(*iam.Options)) (*iam.UpdateAssumeRolePolicyOutput, error)
	PutRolePermissionsBoundary(context.Context, *iam.PutRolePermissionsBoundaryInput, ...func(*iam.Options)) (*iam.PutRolePermissionsBoundaryOutput, error)
	DeleteRolePermissionsBoundary(context.Context, *iam.DeleteRolePermissionsBoundaryInput, ...func(*iam.Options)) (*iam.DeleteRolePermissionsBoundaryOutput, error)
	PutRolePolicy(context.Context, *iam.PutRolePolicyInput, ...func(*iam.Options)) (*iam.PutRolePolicyOutput, error)
	DeleteRolePolicy(context.Context, *iam.DeleteRolePolicyInput, ...func(*iam.Options)) (*iam.DeleteRolePolicyOutput, error)
	AttachRolePolicy(context.Context, *iam.AttachRolePolicyInput, ...func(*iam.Options)) (*iam.AttachRolePolicyOutput, error)
	ListInstanceProfilesForRole(context.Context, *iam.ListInstanceProfilesForRoleInput, ...func(*iam.Options)) (*iam.ListInstanceProfilesForRoleOutput, error)
	RemoveRoleFromInstanceProfile(context.Context, *iam.RemoveRoleFromInstanceProfileInput, ...func(*iam.Options)) (*iam.RemoveRoleFromInstanceProfileOutput, error)
	DeleteRole(context.Context, *iam.DeleteRoleInput, ...func(*iam.Options)) (*iam.DeleteRoleOutput, error)
}

const (
	// iamAssumed is the form of a role's ARN under which its sessions act; the session's name follows.
	iamAssumed descriptor.Form = "assumed-role"
	// iamSettle is how long what was written may take until everything sees it, and iamPause the time between attempts.
	iamSettle = 30 * time.Second
	iamPause  = 2 * time.Second
	// iamSession is how long a role's sessions last where nothing else is said.
	iamSession = 3600
)

// iamReserved are the paths of roles that AWS makes and keeps for itself.
var iamReserved = []string{"/aws-service-role/", "/aws-reserved/"}

// iamRole is a role's configuration. Inline policies belong to it; attached ones are ARNs.
type iamRole struct {
	Trust              any
	Description        string
	MaxSessionDuration int32
	Inline             map[string]any
	Attached           []string
}

// iamPolicy is the configuration of a policy that the customer made.
type iamPolicy struct {
	Document    any
	Description string
}

func init() {
	meta := func(names ...string) []descriptor.Operation {
		var operations []descriptor.Operation
		for _, name := range names {
			operations = append(operations, descriptor.Operation{Name: name, Class: descriptor.Meta, Actions: []string{"iam:" + name}})
		}
		return operations
	}
	register(descriptor.Service[iamReader, iamWriter]{
		Name:   "iam",
		ID:     iam.ServiceID,
		Global: true,
		Operations: meta("GetAccountAuthorizationDetails", "ListRoles", "GetRole", "ListRolePolicies", "GetRolePolicy",
			"ListAttachedRolePolicies", "ListPolicies", "GetPolicy", "GetPolicyVersion"),
		Reader: func(config aws.Config) iamReader { return iam.NewFromConfig(config) },
		Writer: func(config aws.Config) iamWriter { return iam.NewFromConfig(config) },
		Kinds: []descriptor.Kind[iamReader, iamWriter]{
			{
				Traits: descriptor.Traits{
					Name:          "role",
					Layer:         descriptor.LayerIdentity,
					Naming:        descriptor.Naming{Max: 64, Allowed: "+=,.@-_"},
					Default:       descriptor.Clone,
					DefaultReason: "a role costs nothing; the copy may do what production's may, but only to the fork's own resources, behind a boundary that keeps it out of other accounts",
					Strategies:    []descriptor.Strategy{descriptor.Clone},
					Hints:         []string{"role"},
				},
				List: listRoles, Read: readRole, Find: findRole, Create: createRole, Wire: wireRole, Delete: deleteRole,
			},
			{
				Traits: descriptor.Traits{
					Name:          "policy",
					Layer:         descriptor.LayerIdentity,
					Naming:        descriptor.Naming{Max: 128, Allowed: "+=,.@-_"},
					Default:       descriptor.Clone,
					DefaultReason: "a policy costs nothing; the copy speaks of the fork's resources",
					Strategies:    []descriptor.Strategy{descriptor.Clone},
					Hints:         []string{"policy"},
					// The service changes no description of a policy.
					Immutable: []string{"Description"},
				},
				List: listPolicies, Read: readPolicy, Find: findPolicy, Create: createPolicy, Wire: wirePolicy, Delete: deletePolicy,
			},
		},
	})
}

// roleParts is a role as the service spells it.
type roleParts struct {
	role     types.Role
	inline   map[string]string
	attached []string
}

// listRoles reads all roles whole with a few calls. Only ListRoles tells descriptions and session durations, only
// GetAccountAuthorizationDetails policies and tags; who may not ask for the latter gets roles that are read one by one.
func listRoles(ctx context.Context, client iamReader, scope descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		bare, err := bareRoles(ctx, client)
		if err != nil {
			yield(descriptor.Item{}, err)
			return
		}
		for item, err := range detailedRoles(ctx, client, scope, bare) {
			if !yield(item, err) || err != nil {
				return
			}
		}
		for _, arn := range slices.Sorted(maps.Keys(bare)) {
			if !yield(descriptor.Item{Name: aws.ToString(bare[arn].RoleName), ARN: arn}, nil) {
				return
			}
		}
	}
}

// bareRoles lists the roles that a fork may copy, by ARN.
func bareRoles(ctx context.Context, client iamReader) (map[string]types.Role, error) {
	bare := map[string]types.Role{}
	pages := iam.NewListRolesPaginator(client, &iam.ListRolesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list roles: %w", err)
		}
		for _, role := range page.Roles {
			if !isReserved(role.Path) {
				bare[aws.ToString(role.Arn)] = role
			}
		}
	}
	return bare, nil
}

// detailedRoles completes listed roles and takes them out of the map. It leaves them there if that may not be asked.
func detailedRoles(ctx context.Context, client iamReader, scope descriptor.Scope, bare map[string]types.Role) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := iam.NewGetAccountAuthorizationDetailsPaginator(client,
			&iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole}})
		for len(bare) > 0 && pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if descriptor.IsDenied(err) {
				return
			}
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list what roles may do: %w", err))
				return
			}
			for _, detail := range page.RoleDetailList {
				role, known := bare[aws.ToString(detail.Arn)]
				if !known {
					continue
				}
				delete(bare, aws.ToString(detail.Arn))
				if !yield(roleItem(scope, partsOfDetail(role, detail))) {
					return
				}
			}
		}
	}
}

func isReserved(path *string) bool {
	return slices.ContainsFunc(iamReserved, func(reserved string) bool { return strings.HasPrefix(aws.ToString(path), reserved) })
}

// partsOfDetail completes a role of the listing.
func partsOfDetail(role types.Role, detail types.RoleDetail) roleParts {
	role.AssumeRolePolicyDocument, role.Tags, role.PermissionsBoundary = detail.AssumeRolePolicyDocument, detail.Tags, detail.PermissionsBoundary
	parts := roleParts{role: role, inline: map[string]string{}}
	for _, policy := range detail.RolePolicyList {
		parts.inline[aws.ToString(policy.PolicyName)] = aws.ToString(policy.PolicyDocument)
	}
	for _, policy := range detail.AttachedManagedPolicies {
		parts.attached = append(parts.attached, aws.ToString(policy.PolicyArn))
	}
	return parts
}

func readRole(ctx context.Context, client iamReader, scope descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	parts, err := partsOfRole(ctx, client, item.Name)
	if err != nil {
		return item, err
	}
	return roleItem(scope, parts)
}

// partsOfRole reads one role, in production or in the sandbox.
func partsOfRole(ctx context.Context, client iamRoleReader, name string) (roleParts, error) {
	output, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	if err != nil {
		return roleParts{}, fmt.Errorf("read role %s: %w", name, iamGone(err))
	}
	parts := roleParts{role: *output.Role, inline: map[string]string{}}
	inline := iam.NewListRolePoliciesPaginator(client, &iam.ListRolePoliciesInput{RoleName: aws.String(name)})
	for inline.HasMorePages() {
		page, err := inline.NextPage(ctx)
		if err != nil {
			return parts, fmt.Errorf("list the policies of role %s: %w", name, iamGone(err))
		}
		for _, policy := range page.PolicyNames {
			document, err := client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String(policy)})
			if err != nil {
				return parts, fmt.Errorf("read the policy %s of role %s: %w", policy, name, iamGone(err))
			}
			parts.inline[policy] = aws.ToString(document.PolicyDocument)
		}
	}
	attached := iam.NewListAttachedRolePoliciesPaginator(client, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String(name)})
	for attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		if err != nil {
			return parts, fmt.Errorf("list the policies attached to role %s: %w", name, iamGone(err))
		}
		for _, policy := range page.AttachedPolicies {
			parts.attached = append(parts.attached, aws.ToString(policy.PolicyArn))
		}
	}
	return parts, nil
}

// configuration of a role as it stands.
func (p roleParts) configuration() iamRole {
	config := iamRole{
		Trust: parseIAMDocument(aws.ToString(p.role.AssumeRolePolicyDocument)), Description: aws.ToString(p.role.Description),
		MaxSessionDuration: aws.ToInt32(p.role.MaxSessionDuration), Inline: map[string]any{}, Attached: slices.Sorted(slices.Values(p.attached)),
	}
	if config.MaxSessionDuration == 0 {
		config.MaxSessionDuration = iamSession
	}
	for name, document := range p.inline {
		config.Inline[name] = parseIAMDocument(document)
	}
	return config
}

func roleItem(scope descriptor.Scope, parts roleParts) (descriptor.Item, error) {
	name := aws.ToString(parts.role.RoleName)
	role := parts.configuration()
	var notes []descriptor.Note
	role.Trust, notes = trustInFork(role.Trust, scope.AccountID)
	config, err := treeWithoutEmpty(role)
	if err != nil {
		return descriptor.Item{}, err
	}
	if boundary := parts.role.PermissionsBoundary; boundary != nil && aws.ToString(boundary.PermissionsBoundaryArn) != "" {
		notes = append(notes, descriptor.Note{Kind: "changed", Severity: "warning", Message: fmt.Sprintf(
			"Sundog's own permissions boundary takes the place of %s, so that inside of the fork the copy may do more than production's",
			aws.ToString(boundary.PermissionsBoundaryArn))})
	}
	return descriptor.Item{
		Name: name, ARN: aws.ToString(parts.role.Arn), Tags: iamTags(parts.role.Tags), Config: config,
		Identifiers: []descriptor.Identifier{
			{Form: descriptor.Name, Value: name},
			{Form: descriptor.ID, Value: aws.ToString(parts.role.RoleId)},
			{Form: iamAssumed, Value: assumedARN(scope.Partition, scope.AccountID, name)},
		},
		Notes: notes,
	}, nil
}

// treeWithoutEmpty turns a configuration into a tree without the top-level fields that say nothing. Documents inside are
// kept as they are: dropping an empty condition would widen what they allow.
func treeWithoutEmpty(config any) (any, error) {
	tree, err := descriptor.Tree(config)
	if err != nil {
		return nil, err
	}
	fields, _ := tree.(map[string]any)
	maps.DeleteFunc(fields, func(_ string, value any) bool {
		switch value := value.(type) {
		case nil:
			return true
		case string:
			return value == ""
		case map[string]any:
			return len(value) == 0
		case []any:
			return len(value) == 0
		default:
			return false
		}
	})
	return fields, nil
}

func assumedARN(partition, account, role string) string {
	return "arn:" + partition + ":sts::" + account + ":assumed-role/" + role
}

func iamTags(tags []types.Tag) map[string]string {
	read := map[string]string{}
	for _, tag := range tags {
		read[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return read
}

func iamGone(err error) error {
	if descriptor.HasCode(err, "NoSuchEntity") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

// parseIAMDocument turns a policy document into a tree. The service hands them out URL-encoded, blanks before the first
// brace included.
func parseIAMDocument(text string) any {
	if !strings.Contains(text, "{") {
		if decoded, err := url.PathUnescape(text); err == nil {
			text = decoded
		}
	}
	return descriptor.ParseDocument(text)
}

func listPolicies(ctx context.Context, client iamReader, _ descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := iam.NewListPoliciesPaginator(client, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list policies: %w", err))
				return
			}
			for _, policy := range page.Policies {
				if isReserved(policy.Path) {
					continue
				}
				if !yield(descriptor.Item{Name: aws.ToString(policy.PolicyName), ARN: aws.ToString(policy.Arn)}, nil) {
					return
				}
			}
		}
	}
}

func readPolicy(ctx context.Context, client iamReader, _ descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	output, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(item.ARN)})
	if err != nil {
		return item, fmt.Errorf("read policy %s: %w", item.Name, iamGone(err))
	}
	document, err := policyDocument(ctx, client, item.ARN, aws.ToString(output.Policy.DefaultVersionId))
	if err != nil {
		return item, err
	}
	item.Tags = iamTags(output.Policy.Tags)
	item.Config, err = treeWithoutEmpty(iamPolicy{Document: document, Description: aws.ToString(output.Policy.Description)})
	if err != nil {
		return item, err
	}
	item.Identifiers = []descriptor.Identifier{{Form: descriptor.Name, Value: item.Name}}
	return item, nil
}

// policyDocument reads the version of a policy that holds.
func policyDocument(ctx context.Context, client interface {
	GetPolicyVersion(context.Context, *iam.GetPolicyVersionInput, ...func(*iam.Options)) (*iam.GetPolicyVersionOutput, error)
}, arn, version string,
) (any, error) {
	output, err := client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: aws.String(arn), VersionId: aws.String(version)})
	if err != nil {
		return nil, fmt.Errorf("read version %s of policy %s: %w", version, arn, iamGone(err))
	}
	return parseIAMDocument(aws.ToString(output.PolicyVersion.Document)), nil
}
