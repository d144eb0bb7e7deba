package services

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// iamPath holds everything that a fork makes here: one pattern covers it in the policies of an account's guardians.
func iamPath(target descriptor.Target) string { return "/fork/" + target.Fork + "/" }

// policyARN is the ARN of a policy that the fork makes.
func policyARN(target descriptor.Target, name string) string {
	return "arn:" + target.Partition + ":iam::" + target.AccountID + ":policy" + iamPath(target) + name
}

func newIAMTags(tags map[string]string) []types.Tag {
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}

// settled calls again while the service has not yet seen what was written before: its answers lag behind.
func settled(ctx context.Context, call func() error) error {
	deadline := time.Now().Add(iamSettle)
	for {
		err := call()
		lags := descriptor.HasCode(err, "NoSuchEntity", "ConcurrentModification", "DeleteConflict") ||
			descriptor.HasCode(err, "MalformedPolicyDocument") && strings.Contains(strings.ToLower(err.Error()), "principal")
		if !lags || time.Now().After(deadline) {
			return err
		}
		if sleep := descriptor.Sleep(ctx, iamPause); sleep != nil {
			return errors.Join(err, sleep)
		}
	}
}

func roleMade(target descriptor.Target, role *types.Role) descriptor.Made {
	return descriptor.Made{
		ARN: aws.ToString(role.Arn),
		Values: map[descriptor.Form]string{
			descriptor.ID: aws.ToString(role.RoleId),
			iamAssumed:    assumedARN(target.Partition, target.AccountID, target.Name),
		},
	}
}

func findRole(ctx context.Context, client iamWriter, target descriptor.Target) (descriptor.Live, error) {
	output, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(target.Name)})
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("look for role %s: %w", target.Name, iamGone(err))
	}
	return descriptor.Live{Made: roleMade(target, output.Role), Tags: iamTags(output.Role.Tags), Status: "ready"}, nil
}

// createRole makes a role that nobody can assume and that may do nothing.
func createRole(ctx context.Context, client iamWriter, target descriptor.Target) (descriptor.Made, error) {
	trust, err := descriptor.Encode(closedTrust())
	if err != nil {
		return descriptor.Made{}, err
	}
	output, err := client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String(target.Name), Path: aws.String(iamPath(target)), Tags: newIAMTags(target.Tags),
		AssumeRolePolicyDocument: aws.String(trust),
	})
	if err != nil {
		return descriptor.Made{}, fmt.Errorf("create role %s: %w", target.Name, err)
	}
	return roleMade(target, output.Role), nil
}

// wireRole puts the boundary up before the role may do anything, and lets others assume it last.
func wireRole(ctx context.Context, client iamWriter, target descriptor.Target) error {
	wanted, err := descriptor.Decode[iamRole](target.Config)
	if err != nil {
		return err
	}
	var parts roleParts
	err = settled(ctx, func() error {
		parts, err = partsOfRole(ctx, client, target.Name)
		return err
	})
	if err != nil {
		return err
	}
	current := parts.configuration()
	if err := wireBoundary(ctx, client, target, parts.role.PermissionsBoundary); err != nil {
		return err
	}
	if err := wireAttached(ctx, client, target.Name, current.Attached, wanted.Attached); err != nil {
		return err
	}
	if err := wireInline(ctx, client, target.Name, current.Inline, wanted.Inline); err != nil {
		return err
	}
	if wanted.MaxSessionDuration == 0 {
		wanted.MaxSessionDuration = iamSession
	}
	if current.Description != wanted.Description || current.MaxSessionDuration != wanted.MaxSessionDuration {
		_, err := client.UpdateRole(ctx, &iam.UpdateRoleInput{
			RoleName: aws.String(target.Name), Description: aws.String(wanted.Description), MaxSessionDuration: aws.Int32(wanted.MaxSessionDuration),
		})
		if err != nil {
			return fmt.Errorf("update role %s: %w", target.Name, err)
		}
	}
	trust := trustOfCopy(wanted.Trust, target.Partition, target.AccountID)
	if sameDocument(current.Trust, trust) {
		return nil
	}
	text, err := descriptor.Encode(trust)
	if err != nil {
		return err
	}
	// A trusted role that was only just made is not known everywhere yet.
	err = settled(ctx, func() error {
		_, err := client.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(target.Name), PolicyDocument: aws.String(text)})
		return err
	})
	if err != nil {
		return fmt.Errorf("say who may assume role %s: %w", target.Name, err)
	}
	return nil
}

func wireAttached(ctx context.Context, client iamWriter, role string, current, wanted []string) error {
	for _, arn := range wanted {
		if slices.Contains(current, arn) {
			continue
		}
		err := settled(ctx, func() error {
			_, err := client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(role), PolicyArn: aws.String(arn)})
			return err
		})
		if err != nil {
			return fmt.Errorf("attach policy %s to role %s: %w", arn, role, err)
		}
	}
	for _, arn := range current {
		if slices.Contains(wanted, arn) {
			continue
		}
		if err := detach(ctx, client, role, arn); err != nil {
			return err
		}
	}
	return nil
}

// detach takes a policy off a role; that it is off already is success.
func detach(ctx context.Context, client iamPolicyWriter, role, arn string) error {
	_, err := client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String(role), PolicyArn: aws.String(arn)})
	if err != nil && !descriptor.HasCode(err, "NoSuchEntity") {
		return fmt.Errorf("detach policy %s from role %s: %w", arn, role, err)
	}
	return nil
}

func wireInline(ctx context.Context, client iamWriter, role string, current, wanted map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if sameDocument(current[name], wanted[name]) {
			continue
		}
		text, err := descriptor.Encode(wanted[name])
		if err != nil {
			return err
		}
		_, err = client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(name), PolicyDocument: aws.String(text)})
		if err != nil {
			return fmt.Errorf("write the policy %s of role %s: %w", name, role, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(current)) {
		if _, stays := wanted[name]; stays {
			continue
		}
		if err := removeInline(ctx, client, role, name); err != nil {
			return err
		}
	}
	return nil
}

func removeInline(ctx context.Context, client iamWriter, role, name string) error {
	_, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String(name)})
	if err != nil && !descriptor.HasCode(err, "NoSuchEntity") {
		return fmt.Errorf("delete the policy %s of role %s: %w", name, role, err)
	}
	return nil
}

// sameDocument compares two documents as trees, whatever their spelling.
func sameDocument(a, b any) bool {
	left, leftErr := descriptor.Encode(a)
	right, rightErr := descriptor.Encode(b)
	return leftErr == nil && rightErr == nil && left == right
}

// deleteRole takes everything off the role first. The role itself goes last: as long as it is there, a deletion that was
// cut short is found and finished, its boundary included.
func deleteRole(ctx context.Context, client iamWriter, target descriptor.Target) error {
	parts, err := partsOfRole(ctx, client, target.Name)
	if err != nil {
		return err
	}
	profiles := iam.NewListInstanceProfilesForRolePaginator(client, &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String(target.Name)})
	for profiles.HasMorePages() {
		page, err := profiles.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the instance profiles of role %s: %w", target.Name, iamGone(err))
		}
		for _, profile := range page.InstanceProfiles {
			_, err := client.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{
				RoleName: aws.String(target.Name), InstanceProfileName: profile.InstanceProfileName,
			})
			if err != nil && !descriptor.HasCode(err, "NoSuchEntity") {
				return fmt.Errorf("take role %s out of the instance profile %s: %w", target.Name, aws.ToString(profile.InstanceProfileName), err)
			}
		}
	}
	for _, arn := range parts.attached {
		if err := detach(ctx, client, target.Name, arn); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(parts.inline)) {
		if err := removeInline(ctx, client, target.Name, name); err != nil {
			return err
		}
	}
	if err := removeBoundary(ctx, client, target, parts.role.PermissionsBoundary); err != nil {
		return err
	}
	err = retryConflicts(ctx, func() error {
		_, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String(target.Name)})
		return err
	})
	if err != nil {
		return fmt.Errorf("delete role %s: %w", target.Name, iamGone(err))
	}
	return nil
}

// retryConflicts is settled for deletions, for which "gone" is an answer.
func retryConflicts(ctx context.Context, call func() error) error {
	var gone error
	err := settled(ctx, func() error {
		err := call()
		if descriptor.HasCode(err, "NoSuchEntity") {
			gone = err
			return nil
		}
		return err
	})
	return errors.Join(err, gone)
}
