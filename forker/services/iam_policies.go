package services

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// iamPolicyWriter is what is called for policies in the sandbox account.
type iamPolicyWriter interface {
	GetPolicy(context.Context, *iam.GetPolicyInput, ...func(*iam.Options)) (*iam.GetPolicyOutput, error)
	GetPolicyVersion(context.Context, *iam.GetPolicyVersionInput, ...func(*iam.Options)) (*iam.GetPolicyVersionOutput, error)
	CreatePolicy(context.Context, *iam.CreatePolicyInput, ...func(*iam.Options)) (*iam.CreatePolicyOutput, error)
	ListPolicyVersions(context.Context, *iam.ListPolicyVersionsInput, ...func(*iam.Options)) (*iam.ListPolicyVersionsOutput, error)
	CreatePolicyVersion(context.Context, *iam.CreatePolicyVersionInput, ...func(*iam.Options)) (*iam.CreatePolicyVersionOutput, error)
	DeletePolicyVersion(context.Context, *iam.DeletePolicyVersionInput, ...func(*iam.Options)) (*iam.DeletePolicyVersionOutput, error)
	ListEntitiesForPolicy(context.Context, *iam.ListEntitiesForPolicyInput, ...func(*iam.Options)) (*iam.ListEntitiesForPolicyOutput, error)
	DetachRolePolicy(context.Context, *iam.DetachRolePolicyInput, ...func(*iam.Options)) (*iam.DetachRolePolicyOutput, error)
	DeletePolicy(context.Context, *iam.DeletePolicyInput, ...func(*iam.Options)) (*iam.DeletePolicyOutput, error)
}

// boundaryPrefix begins the names of boundaries. No copy has such a name: they all begin with the fork's, in which there
// is no dot.
const boundaryPrefix = "sundog.boundary."

// boundaryReads are what a copy may still ask of other accounts: what is shared is read where it is, if its owner lets the
// sandbox account in, and the rest is AWS's own (managed policies, public parameters and images).
var boundaryReads = []any{
	"s3:GetObject*", "s3:ListBucket", "s3:GetBucketLocation",
	"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
	"kms:Decrypt", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "ssm:GetParameter*",
	"dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan",
	"iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListEntitiesForPolicy", "iam:ListPolicies",
}

func findPolicy(ctx context.Context, client iamWriter, target descriptor.Target) (descriptor.Live, error) {
	output, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(policyARN(target, target.Name))})
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("look for policy %s: %w", target.Name, iamGone(err))
	}
	return descriptor.Live{
		Made: descriptor.Made{ARN: aws.ToString(output.Policy.Arn)}, Tags: iamTags(output.Policy.Tags), Status: "ready",
	}, nil
}

// createPolicy makes a policy that allows nothing: the service takes none that is empty.
func createPolicy(ctx context.Context, client iamWriter, target descriptor.Target) (descriptor.Made, error) {
	config, err := descriptor.Decode[iamPolicy](target.Config)
	if err != nil {
		return descriptor.Made{}, err
	}
	text, err := descriptor.Encode(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Sid": "SundogNothingYet", "Effect": "Deny", "Action": "*", "Resource": "*",
	}}})
	if err != nil {
		return descriptor.Made{}, err
	}
	input := &iam.CreatePolicyInput{
		PolicyName: aws.String(target.Name), Path: aws.String(iamPath(target)), Tags: newIAMTags(target.Tags), PolicyDocument: aws.String(text),
	}
	if config.Description != "" {
		input.Description = aws.String(config.Description)
	}
	output, err := client.CreatePolicy(ctx, input)
	if err != nil {
		return descriptor.Made{}, fmt.Errorf("create policy %s: %w", target.Name, err)
	}
	return descriptor.Made{ARN: aws.ToString(output.Policy.Arn)}, nil
}

func wirePolicy(ctx context.Context, client iamWriter, target descriptor.Target) error {
	config, err := descriptor.Decode[iamPolicy](target.Config)
	if err != nil {
		return err
	}
	return writeDocument(ctx, client, policyARN(target, target.Name), config.Document)
}

// writeDocument makes a document the version of a policy that holds, and the only one: a policy has room for five.
func writeDocument(ctx context.Context, client iamPolicyWriter, arn string, wanted any) error {
	var policy *types.Policy
	err := settled(ctx, func() error {
		output, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(arn)})
		if err == nil {
			policy = output.Policy
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read policy %s: %w", arn, err)
	}
	current, err := policyDocument(ctx, client, arn, aws.ToString(policy.DefaultVersionId))
	if err != nil {
		return err
	}
	if err := dropVersions(ctx, client, arn); err != nil {
		return err
	}
	if sameDocument(current, wanted) {
		return nil
	}
	text, err := descriptor.Encode(wanted)
	if err != nil {
		return err
	}
	err = settled(ctx, func() error {
		_, err := client.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: aws.String(arn), PolicyDocument: aws.String(text), SetAsDefault: true})
		return err
	})
	if err != nil {
		return fmt.Errorf("write policy %s: %w", arn, err)
	}
	return dropVersions(ctx, client, arn)
}

// dropVersions deletes the versions of a policy that do not hold.
func dropVersions(ctx context.Context, client iamPolicyWriter, arn string) error {
	pages := iam.NewListPolicyVersionsPaginator(client, &iam.ListPolicyVersionsInput{PolicyArn: aws.String(arn)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the versions of policy %s: %w", arn, iamGone(err))
		}
		for _, version := range page.Versions {
			if version.IsDefaultVersion {
				continue
			}
			_, err := client.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: aws.String(arn), VersionId: version.VersionId})
			if err != nil && !descriptor.HasCode(err, "NoSuchEntity") {
				return fmt.Errorf("delete version %s of policy %s: %w", aws.ToString(version.VersionId), arn, err)
			}
		}
	}
	return nil
}

// deletePolicy takes the policy off the fork's own roles, which may be deleted at this very moment, and off nobody else's:
// a role that is not the fork's keeps the policy there, with an error that says so.
func deletePolicy(ctx context.Context, client iamWriter, target descriptor.Target) error {
	arn := policyARN(target, target.Name)
	pages := iam.NewListEntitiesForPolicyPaginator(client, &iam.ListEntitiesForPolicyInput{
		PolicyArn: aws.String(arn), EntityFilter: types.EntityTypeRole, PathPrefix: aws.String(iamPath(target)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the roles with policy %s: %w", target.Name, iamGone(err))
		}
		for _, role := range page.PolicyRoles {
			if err := detach(ctx, client, aws.ToString(role.RoleName), arn); err != nil {
				return err
			}
		}
	}
	return dropPolicy(ctx, client, arn)
}

func dropPolicy(ctx context.Context, client iamPolicyWriter, arn string) error {
	if err := dropVersions(ctx, client, arn); err != nil {
		return err
	}
	err := retryConflicts(ctx, func() error {
		_, err := client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: aws.String(arn)})
		return err
	})
	if err != nil {
		return fmt.Errorf("delete policy %s: %w", arn, iamGone(err))
	}
	return nil
}

// boundaryDocument allows everything inside of the sandbox account and nothing outside of it, so that a copy cannot act on
// production even where a rewriting was missed. Requests that name no resource have no account to compare.
func boundaryDocument(target descriptor.Target) any {
	statement := func(sid, effect string, fields map[string]any) map[string]any {
		fields["Sid"], fields["Effect"] = sid, effect
		return fields
	}
	return map[string]any{"Version": "2012-10-17", "Statement": []any{
		statement("Inside", "Allow", map[string]any{"Action": "*", "Resource": "*"}),
		statement("NotOutside", "Deny", map[string]any{
			"NotAction": boundaryReads, "Resource": "*",
			"Condition": map[string]any{
				"StringNotEquals": map[string]any{"aws:ResourceAccount": target.AccountID},
				"Null":            map[string]any{"aws:ResourceAccount": "false"},
			},
		}),
		statement("NotAround", "Deny", map[string]any{
			"Action":   []any{"iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"},
			"Resource": "*",
		}),
		statement("NotWider", "Deny", map[string]any{
			"Action":   []any{"iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"},
			"Resource": "arn:" + target.Partition + ":iam::" + target.AccountID + ":policy/fork/*/" + boundaryPrefix + "*",
		}),
	}}
}

// wireBoundary gives a role its boundary. Every role has one of its own: it comes and goes with the role, so none is left
// over and none is missing when roles are made and deleted at the same time.
func wireBoundary(ctx context.Context, client iamWriter, target descriptor.Target, current *types.AttachedPermissionsBoundary) error {
	arn, document := policyARN(target, boundaryPrefix+target.Name), boundaryDocument(target)
	switch err := ownBoundary(ctx, client, target, arn); {
	case err == nil:
		if err := writeDocument(ctx, client, arn, document); err != nil {
			return err
		}
	case errors.Is(err, descriptor.ErrGone):
		text, err := descriptor.Encode(document)
		if err != nil {
			return err
		}
		_, err = client.CreatePolicy(ctx, &iam.CreatePolicyInput{
			PolicyName: aws.String(boundaryPrefix + target.Name), Path: aws.String(iamPath(target)), Tags: newIAMTags(target.Tags),
			Description: aws.String("Keeps the role " + target.Name + " inside of this account"), PolicyDocument: aws.String(text),
		})
		if err != nil && !descriptor.HasCode(err, "EntityAlreadyExists") {
			return fmt.Errorf("create the boundary of role %s: %w", target.Name, err)
		}
	default:
		return err
	}
	if current != nil && aws.ToString(current.PermissionsBoundaryArn) == arn {
		return nil
	}
	err := settled(ctx, func() error {
		_, err := client.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String(target.Name), PermissionsBoundary: aws.String(arn)})
		return err
	})
	if err != nil {
		return fmt.Errorf("put the boundary on role %s: %w", target.Name, err)
	}
	return nil
}

// ownBoundary tells whether a role's boundary is there and the fork's.
func ownBoundary(ctx context.Context, client iamPolicyWriter, target descriptor.Target, arn string) error {
	output, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(arn)})
	if err != nil {
		return fmt.Errorf("look for the boundary of role %s: %w", target.Name, iamGone(err))
	}
	if iamTags(output.Policy.Tags)[descriptor.TagFork] != target.Fork {
		return fmt.Errorf("the policy %s has the name of a boundary of fork %q but not its tags; remove it", arn, target.Fork)
	}
	return nil
}

func removeBoundary(ctx context.Context, client iamWriter, target descriptor.Target, current *types.AttachedPermissionsBoundary) error {
	if current != nil {
		_, err := client.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String(target.Name)})
		if err != nil && !descriptor.HasCode(err, "NoSuchEntity") {
			return fmt.Errorf("take the boundary off role %s: %w", target.Name, err)
		}
	}
	arn := policyARN(target, boundaryPrefix+target.Name)
	err := ownBoundary(ctx, client, target, arn)
	if err == nil {
		err = dropPolicy(ctx, client, arn)
	}
	if errors.Is(err, descriptor.ErrGone) {
		return nil
	}
	return err
}
