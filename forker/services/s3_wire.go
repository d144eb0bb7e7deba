package services

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// wireBucket writes the bucket's parts in an order in which each is allowed: access is closed first, the policy and the
// notifications, which name other resources, come last.
func wireBucket(ctx context.Context, client s3Writer, target descriptor.Target) error {
	bucket, err := descriptor.Decode[s3Bucket](target.Config)
	if err != nil {
		return err
	}
	name, owner := aws.String(target.Name), aws.String(target.AccountID)
	steps := []struct {
		what string
		do   func() error
	}{
		{"close public access to", func() error {
			_, err := client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket: name, ExpectedBucketOwner: owner, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
					BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
					IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
				},
			})
			return err
		}},
		{"set the ownership controls of", func() error { return wireOwnership(ctx, client, name, owner, bucket.Ownership) }},
		{"set the encryption of", func() error { return wireEncryption(ctx, client, name, owner, bucket.Encryption) }},
		{"set the versioning of", func() error { return wireVersioning(ctx, client, name, owner, bucket.Versioning) }},
		{"set the CORS rules of", func() error { return wireCORS(ctx, client, name, owner, bucket.CORS) }},
		{"set the lifecycle of", func() error { return wireLifecycle(ctx, client, name, owner, bucket.Lifecycle) }},
		{"set the policy of", func() error { return wireBucketPolicy(ctx, client, name, owner, bucket.Policy) }},
		{"set the notifications of", func() error { return wireNotifications(ctx, client, name, owner, bucket.Notifications) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s bucket %s: %w", step.what, target.Name, err)
		}
	}
	return nil
}

func wireOwnership(ctx context.Context, client s3Writer, name, owner *string, rules []types.OwnershipControlsRule) error {
	if len(rules) == 0 {
		return nil
	}
	_, err := client.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
		Bucket: name, ExpectedBucketOwner: owner, OwnershipControls: &types.OwnershipControls{Rules: rules},
	})
	return err
}

func wireEncryption(ctx context.Context, client s3Writer, name, owner *string, algorithm string) error {
	if algorithm == "" {
		return nil
	}
	_, err := client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: name, ExpectedBucketOwner: owner,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryption(algorithm)},
		}}},
	})
	return err
}

func wireVersioning(ctx context.Context, client s3Writer, name, owner *string, status types.BucketVersioningStatus) error {
	if status == "" {
		// A bucket that once had versions cannot go back; it can only suspend them.
		status = types.BucketVersioningStatusSuspended
	}
	_, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: name, ExpectedBucketOwner: owner, VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	})
	return err
}

func wireCORS(ctx context.Context, client s3Writer, name, owner *string, rules []types.CORSRule) error {
	if len(rules) == 0 {
		_, err := client.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: name, ExpectedBucketOwner: owner})
		return err
	}
	_, err := client.PutBucketCors(ctx, &s3.PutBucketCorsInput{
		Bucket: name, ExpectedBucketOwner: owner, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules},
	})
	return err
}

func wireLifecycle(ctx context.Context, client s3Writer, name, owner *string, rules []types.LifecycleRule) error {
	if len(rules) == 0 {
		_, err := client.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: name, ExpectedBucketOwner: owner})
		return err
	}
	_, err := client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: name, ExpectedBucketOwner: owner, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
	})
	return err
}

func wireBucketPolicy(ctx context.Context, client s3Writer, name, owner *string, policy any) error {
	if policy == nil {
		_, err := client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: name, ExpectedBucketOwner: owner})
		return err
	}
	text, err := descriptor.Encode(policy)
	if err != nil {
		return err
	}
	_, err = client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: name, ExpectedBucketOwner: owner, Policy: aws.String(text)})
	return err
}

func wireNotifications(ctx context.Context, client s3Writer, name, owner *string, wanted *s3Notifications) error {
	configuration := &types.NotificationConfiguration{}
	if wanted != nil {
		configuration.QueueConfigurations, configuration.TopicConfigurations = wanted.Queues, wanted.Topics
	}
	_, err := client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: name, ExpectedBucketOwner: owner, NotificationConfiguration: configuration,
	})
	return err
}

// deleteBucket empties the bucket, versions and unfinished uploads included, and deletes it.
func deleteBucket(ctx context.Context, client s3Writer, target descriptor.Target) error {
	name, owner := aws.String(target.Name), aws.String(target.AccountID)
	uploads := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: name, ExpectedBucketOwner: owner})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the unfinished uploads of bucket %s: %w", target.Name, bucketGone(err))
		}
		for _, upload := range page.Uploads {
			_, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: name, ExpectedBucketOwner: owner, Key: upload.Key, UploadId: upload.UploadId,
			})
			if err != nil {
				return fmt.Errorf("abort an unfinished upload of bucket %s: %w", target.Name, err)
			}
		}
	}
	if err := emptyBucket(ctx, client, name, owner); err != nil {
		return fmt.Errorf("empty bucket %s: %w", target.Name, bucketGone(err))
	}
	if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name, ExpectedBucketOwner: owner}); err != nil {
		return fmt.Errorf("delete bucket %s: %w", target.Name, bucketGone(err))
	}
	return nil
}

func emptyBucket(ctx context.Context, client s3Writer, name, owner *string) error {
	pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: name, ExpectedBucketOwner: owner})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		var objects []types.ObjectIdentifier
		for _, version := range page.Versions {
			objects = append(objects, types.ObjectIdentifier{Key: version.Key, VersionId: version.VersionId})
		}
		for _, marker := range page.DeleteMarkers {
			objects = append(objects, types.ObjectIdentifier{Key: marker.Key, VersionId: marker.VersionId})
		}
		if len(objects) == 0 {
			continue
		}
		output, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: name, ExpectedBucketOwner: owner, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return err
		}
		if len(output.Errors) > 0 {
			failed := output.Errors[0]
			return fmt.Errorf("%d object(s) could not be deleted, the first %q: %s", len(output.Errors), aws.ToString(failed.Key), aws.ToString(failed.Message))
		}
	}
	return nil
}
