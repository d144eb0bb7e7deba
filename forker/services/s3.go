package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

type s3Reader interface {
	ListBuckets(context.Context, *s3.ListBucketsInput, ...func(*s3.Options)) (*s3.ListBucketsOutput, error)
	GetBucketLocation(context.Context, *s3.GetBucketLocationInput, ...func(*s3.Options)) (*s3.GetBucketLocationOutput, error)
	GetBucketVersioning(context.Context, *s3.GetBucketVersioningInput, ...func(*s3.Options)) (*s3.GetBucketVersioningOutput, error)
	GetBucketEncryption(context.Context, *s3.GetBucketEncryptionInput, ...func(*s3.Options)) (*s3.GetBucketEncryptionOutput, error)
	GetBucketOwnershipControls(context.Context, *s3.GetBucketOwnershipControlsInput, ...func(*s3.Options)) (*s3.GetBucketOwnershipControlsOutput, error)
	GetBucketCors(context.Context, *s3.GetBucketCorsInput, ...func(*s3.Options)) (*s3.GetBucketCorsOutput, error)
	GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error)
	GetBucketPolicy(context.Context, *s3.GetBucketPolicyInput, ...func(*s3.Options)) (*s3.GetBucketPolicyOutput, error)
	GetBucketNotificationConfiguration(context.Context, *s3.GetBucketNotificationConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketNotificationConfigurationOutput, error)
	GetBucketTagging(context.Context, *s3.GetBucketTaggingInput, ...func(*s3.Options)) (*s3.GetBucketTaggingOutput, error)
	GetBucketReplication(context.Context, *s3.GetBucketReplicationInput, ...func(*s3.Options)) (*s3.GetBucketReplicationOutput, error)
	GetObjectLockConfiguration(context.Context, *s3.GetObjectLockConfigurationInput, ...func(*s3.Options)) (*s3.GetObjectLockConfigurationOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

type s3Writer interface {
	ListBuckets(context.Context, *s3.ListBucketsInput, ...func(*s3.Options)) (*s3.ListBucketsOutput, error)
	HeadBucket(context.Context, *s3.HeadBucketInput, ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
	GetBucketTagging(context.Context, *s3.GetBucketTaggingInput, ...func(*s3.Options)) (*s3.GetBucketTaggingOutput, error)
	CreateBucket(context.Context, *s3.CreateBucketInput, ...func(*s3.Options)) (*s3.CreateBucketOutput, error)
	PutBucketTagging(context.Context, *s3.PutBucketTaggingInput, ...func(*s3.Options)) (*s3.PutBucketTaggingOutput, error)
	PutPublicAccessBlock(context.Context, *s3.PutPublicAccessBlockInput, ...func(*s3.Options)) (*s3.PutPublicAccessBlockOutput, error)
	PutBucketOwnershipControls(context.Context, *s3.PutBucketOwnershipControlsInput, ...func(*s3.Options)) (*s3.PutBucketOwnershipControlsOutput, error)
	PutBucketEncryption(context.Context, *s3.PutBucketEncryptionInput, ...func(*s3.Options)) (*s3.PutBucketEncryptionOutput, error)
	PutBucketVersioning(context.Context, *s3.PutBucketVersioningInput, ...func(*s3.Options)) (*s3.PutBucketVersioningOutput, error)
	PutBucketCors(context.Context, *s3.PutBucketCorsInput, ...func(*s3.Options)) (*s3.PutBucketCorsOutput, error)
	DeleteBucketCors(context.Context, *s3.DeleteBucketCorsInput, ...func(*s3.Options)) (*s3.DeleteBucketCorsOutput, error)
	PutBucketLifecycleConfiguration(context.Context, *s3.PutBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.PutBucketLifecycleConfigurationOutput, error)
	DeleteBucketLifecycle(context.Context, *s3.DeleteBucketLifecycleInput, ...func(*s3.Options)) (*s3.DeleteBucketLifecycleOutput, error)
	PutBucketPolicy(context.Context, *s3.PutBucketPolicyInput, ...func(*s3.Options)) (*s3.PutBucketPolicyOutput, error)
	DeleteBucketPolicy(context.Context, *s3.DeleteBucketPolicyInput, ...func(*s3.Options)) (*s3.DeleteBucketPolicyOutput, error)
	PutBucketNotificationConfiguration(context.Context, *s3.PutBucketNotificationConfigurationInput, ...func(*s3.Options)) (*s3.PutBucketNotificationConfigurationOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	ListMultipartUploads(context.Context, *s3.ListMultipartUploadsInput, ...func(*s3.Options)) (*s3.ListMultipartUploadsOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	DeleteBucket(context.Context, *s3.DeleteBucketInput, ...func(*s3.Options)) (*s3.DeleteBucketOutput, error)
}

// s3Bucket is a bucket's configuration. Public access is not part of it: copies never have any.
type s3Bucket struct {
	Versioning    types.BucketVersioningStatus
	Ownership     []types.OwnershipControlsRule
	Encryption    string // the algorithm; keys are not copied
	CORS          []types.CORSRule
	Lifecycle     []types.LifecycleRule
	Policy        any
	Notifications *s3Notifications
}

// s3Notifications are the targets that can be copied.
type s3Notifications struct {
	Queues []types.QueueConfiguration
	Topics []types.TopicConfiguration
}

func init() {
	actions := func(names ...string) []string { return names }
	register(descriptor.Service[s3Reader, s3Writer]{
		Name: "s3",
		ID:   s3.ServiceID,
		REST: true,
		Operations: []descriptor.Operation{
			{Name: "ListBuckets", Class: descriptor.Meta, Actions: actions("s3:ListAllMyBuckets")},
			{Name: "GetBucketLocation", Class: descriptor.Meta, Actions: actions("s3:GetBucketLocation")},
			{Name: "GetBucketVersioning", Class: descriptor.Meta, Actions: actions("s3:GetBucketVersioning")},
			{Name: "GetBucketEncryption", Class: descriptor.Meta, Actions: actions("s3:GetEncryptionConfiguration")},
			{Name: "GetBucketOwnershipControls", Class: descriptor.Meta, Actions: actions("s3:GetBucketOwnershipControls")},
			{Name: "GetBucketCors", Class: descriptor.Meta, Actions: actions("s3:GetBucketCORS")},
			{Name: "GetBucketLifecycleConfiguration", Class: descriptor.Meta, Actions: actions("s3:GetLifecycleConfiguration")},
			{Name: "GetBucketPolicy", Class: descriptor.Meta, Actions: actions("s3:GetBucketPolicy")},
			{Name: "GetBucketNotificationConfiguration", Class: descriptor.Meta, Actions: actions("s3:GetBucketNotification")},
			{Name: "GetBucketTagging", Class: descriptor.Meta, Actions: actions("s3:GetBucketTagging")},
			{Name: "GetBucketReplication", Class: descriptor.Meta, Actions: actions("s3:GetReplicationConfiguration")},
			{Name: "GetObjectLockConfiguration", Class: descriptor.Meta, Actions: actions("s3:GetBucketObjectLockConfiguration")},
			{Name: "ListObjectsV2", Class: descriptor.Data, Actions: actions("s3:ListBucket")},
			{Name: "GetObject", Class: descriptor.Data, Actions: actions("s3:GetObject")},
		},
		Reader: func(config aws.Config) s3Reader { return newS3(config) },
		Writer: func(config aws.Config) s3Writer { return newS3(config) },
		Kinds: []descriptor.Kind[s3Reader, s3Writer]{{
			Traits: descriptor.Traits{
				Name:          "bucket",
				Layer:         descriptor.LayerLeaf,
				Naming:        descriptor.Naming{Max: 63, Allowed: "-.", Lower: true},
				Default:       descriptor.Clone,
				DefaultReason: "a bucket of its own costs nothing while it is empty; objects are copied only where a rule asks for them",
				Strategies:    []descriptor.Strategy{descriptor.Clone, descriptor.Stub},
				DataModes:     []string{descriptor.DataSample, descriptor.DataFull},
				Hints:         []string{"bucket", "s3"},
				// Anybody may own a bucket of any name.
				AccountlessARN: true,
			},
			List:   listBuckets,
			Read:   readBucket,
			Find:   findBucket,
			Create: createBucket,
			Wire:   wireBucket,
			Delete: deleteBucket,
			Export: exportObjects,
			Import: importObjects,
		}},
	})
}

// newS3 addresses buckets by path at an emulator, whose host names do not carry bucket names.
func newS3(config aws.Config) *s3.Client {
	return s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = config.BaseEndpoint != nil })
}

func listBuckets(ctx context.Context, client s3Reader, scope descriptor.Scope) iter.Seq2[descriptor.Item, error] {
	return func(yield func(descriptor.Item, error) bool) {
		pages := s3.NewListBucketsPaginator(client, &s3.ListBucketsInput{MaxBuckets: aws.Int32(1000)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(descriptor.Item{}, fmt.Errorf("list buckets: %w", err))
				return
			}
			for _, bucket := range page.Buckets {
				name, region := aws.ToString(bucket.Name), aws.ToString(bucket.BucketRegion)
				if region == "" {
					if region, err = bucketRegion(ctx, client, scope, name); err != nil {
						yield(descriptor.Item{}, err)
						return
					}
				}
				if region != scope.Region {
					continue
				}
				if !yield(descriptor.Item{Name: name, ARN: "arn:" + scope.Partition + ":s3:::" + name}, nil) {
					return
				}
			}
		}
	}
}

func bucketRegion(ctx context.Context, client s3Reader, scope descriptor.Scope, name string) (string, error) {
	output, err := client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{
		Bucket: aws.String(name), ExpectedBucketOwner: aws.String(scope.AccountID),
	})
	if err != nil {
		return "", fmt.Errorf("read where bucket %s is: %w", name, bucketGone(err))
	}
	// The oldest regions are spelt in their own ways.
	switch output.LocationConstraint {
	case "":
		return "us-east-1", nil
	case types.BucketLocationConstraintEu:
		return "eu-west-1", nil
	default:
		return string(output.LocationConstraint), nil
	}
}

func readBucket(ctx context.Context, client s3Reader, scope descriptor.Scope, item descriptor.Item) (descriptor.Item, error) {
	reading := bucketReading{client: client, name: aws.String(item.Name), owner: aws.String(scope.AccountID)}
	bucket, err := reading.config(ctx)
	if err != nil {
		return item, fmt.Errorf("read bucket %s: %w", item.Name, bucketGone(err))
	}
	if item.Config, err = compactTree(bucket); err != nil {
		return item, err
	}
	if item.Config == nil {
		item.Config = map[string]any{}
	}
	if item.Tags, err = reading.tags(ctx); err != nil {
		return item, fmt.Errorf("read the tags of bucket %s: %w", item.Name, bucketGone(err))
	}
	if err := reading.note(ctx); err != nil {
		return item, fmt.Errorf("read bucket %s: %w", item.Name, bucketGone(err))
	}
	item.Notes = reading.notes
	item.Identifiers = append(
		scope.URLs("/"+item.Name, "s3."+scope.Region+"."+scope.DNSSuffix(), "s3."+scope.DNSSuffix()),
		descriptor.Identifier{Form: descriptor.Host, Value: item.Name + ".s3." + scope.Region + "." + scope.DNSSuffix()},
		descriptor.Identifier{Form: descriptor.Host, Value: item.Name + ".s3." + scope.DNSSuffix()},
		descriptor.Identifier{Form: descriptor.Name, Value: item.Name},
	)
	return item, nil
}

// bucketReading reads the parts of one bucket. Every call names the account that must own the bucket.
type bucketReading struct {
	client      s3Reader
	name, owner *string
	notes       []descriptor.Note
}

// absent tells that an error is the service's way to say that something is not configured.
func absent(err error) bool {
	return descriptor.HasCode(err,
		"NoSuchLifecycleConfiguration", "NoSuchCORSConfiguration", "NoSuchBucketPolicy", "NoSuchTagSet", "NoSuchTagSetError",
		"ServerSideEncryptionConfigurationNotFoundError", "OwnershipControlsNotFoundError", "NoSuchPublicAccessBlockConfiguration",
		"ReplicationConfigurationNotFoundError", "ObjectLockConfigurationNotFoundError")
}

func (r *bucketReading) config(ctx context.Context) (s3Bucket, error) {
	var bucket s3Bucket
	versioning, err := r.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil {
		return bucket, err
	}
	bucket.Versioning = versioning.Status
	ownership, err := r.client.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil && !absent(err) {
		return bucket, err
	}
	if err == nil && ownership.OwnershipControls != nil {
		bucket.Ownership = ownership.OwnershipControls.Rules
	}
	encryption, err := r.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil && !absent(err) {
		return bucket, err
	}
	if err == nil {
		bucket.Encryption = r.algorithm(encryption.ServerSideEncryptionConfiguration)
	}
	cors, err := r.client.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil && !absent(err) {
		return bucket, err
	}
	if err == nil {
		bucket.CORS = cors.CORSRules
	}
	lifecycle, err := r.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil && !absent(err) {
		return bucket, err
	}
	if err == nil {
		bucket.Lifecycle = lifecycle.Rules
	}
	policy, err := r.client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil && !absent(err) {
		return bucket, err
	}
	if err == nil && aws.ToString(policy.Policy) != "" {
		bucket.Policy = descriptor.ParseDocument(aws.ToString(policy.Policy))
	}
	bucket.Notifications, err = r.notifications(ctx)
	return bucket, err
}

func (r *bucketReading) algorithm(configuration *types.ServerSideEncryptionConfiguration) string {
	if configuration == nil {
		return ""
	}
	for _, rule := range configuration.Rules {
		if rule.ApplyServerSideEncryptionByDefault == nil {
			continue
		}
		if rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID != nil {
			r.add("changed", "info", "production encrypts with a key of its own; the copy uses the sandbox account's default key")
		}
		return string(rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm)
	}
	return ""
}

func (r *bucketReading) notifications(ctx context.Context) (*s3Notifications, error) {
	output, err := r.client.GetBucketNotificationConfiguration(ctx,
		&s3.GetBucketNotificationConfigurationInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil {
		return nil, err
	}
	if count := len(output.LambdaFunctionConfigurations); count > 0 {
		r.add("not-copied", "warning", fmt.Sprintf("%d notification(s) to functions are not copied: this version makes no copies of functions", count))
	}
	if output.EventBridgeConfiguration != nil {
		r.add("not-copied", "warning", "notifications to an event bus are not copied: this version makes no copies of event buses")
	}
	if len(output.QueueConfigurations)+len(output.TopicConfigurations) == 0 {
		return nil, nil //nolint:nilnil // No notifications is an answer, not an error.
	}
	return &s3Notifications{Queues: output.QueueConfigurations, Topics: output.TopicConfigurations}, nil
}

func (r *bucketReading) tags(ctx context.Context) (map[string]string, error) {
	return bucketTags(ctx, r.client, r.name, r.owner)
}

func bucketTags(ctx context.Context, client interface {
	GetBucketTagging(context.Context, *s3.GetBucketTaggingInput, ...func(*s3.Options)) (*s3.GetBucketTaggingOutput, error)
}, name, owner *string,
) (map[string]string, error) {
	tags := map[string]string{}
	output, err := client.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: name, ExpectedBucketOwner: owner})
	if err != nil {
		if absent(err) {
			return tags, nil
		}
		return nil, err
	}
	for _, tag := range output.TagSet {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return tags, nil
}

// note tells about what a copy never has.
func (r *bucketReading) note(ctx context.Context) error {
	replication, err := r.client.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil && !absent(err) {
		return err
	}
	if err == nil && replication.ReplicationConfiguration != nil && len(replication.ReplicationConfiguration.Rules) > 0 {
		r.add("hazard", "info", "replication is never copied: it would write outside of the fork")
	}
	lock, err := r.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: r.name, ExpectedBucketOwner: r.owner})
	if err != nil && !absent(err) {
		return err
	}
	if err == nil && lock.ObjectLockConfiguration != nil {
		r.add("not-copied", "info", "object lock is never copied: the copy could not be destroyed")
	}
	return nil
}

func (r *bucketReading) add(kind, severity, message string) {
	r.notes = append(r.notes, descriptor.Note{Kind: kind, Severity: severity, Message: message})
}

func bucketGone(err error) error {
	if descriptor.HasCode(err, "NoSuchBucket", "NotFound", "404") {
		return errors.Join(descriptor.ErrGone, err)
	}
	return err
}

func findBucket(ctx context.Context, client s3Writer, target descriptor.Target) (descriptor.Live, error) {
	owned, err := ownsBucket(ctx, client, target.Name)
	if err != nil {
		return descriptor.Live{}, err
	}
	if !owned {
		// Names are shared by all accounts of the world.
		if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(target.Name)}); bucketGone(err) != nil && errors.Is(bucketGone(err), descriptor.ErrGone) {
			return descriptor.Live{}, fmt.Errorf("look for bucket %s: %w", target.Name, bucketGone(err))
		}
		return descriptor.Live{}, fmt.Errorf("bucket %s: %w", target.Name, descriptor.ErrForeignAccount)
	}
	tags, err := bucketTags(ctx, client, aws.String(target.Name), aws.String(target.AccountID))
	if err != nil {
		return descriptor.Live{}, fmt.Errorf("read the tags of bucket %s: %w", target.Name, bucketGone(err))
	}
	return descriptor.Live{Made: madeBucket(target), Tags: tags, Status: "ready"}, nil
}

// ownsBucket looks the bucket up among those that the account owns.
func ownsBucket(ctx context.Context, client s3Writer, name string) (bool, error) {
	pages := s3.NewListBucketsPaginator(client, &s3.ListBucketsInput{Prefix: aws.String(name), MaxBuckets: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, fmt.Errorf("look for bucket %s: %w", name, err)
		}
		if slices.ContainsFunc(page.Buckets, func(bucket types.Bucket) bool { return aws.ToString(bucket.Name) == name }) {
			return true, nil
		}
	}
	return false, nil
}

func madeBucket(target descriptor.Target) descriptor.Made {
	return descriptor.Made{
		ARN: "arn:" + target.Partition + ":s3:::" + target.Name,
		Values: map[descriptor.Form]string{
			descriptor.Host: target.Name + ".s3." + target.Region + "." + descriptor.Scope{Partition: target.Partition}.DNSSuffix(),
		},
	}
}

func createBucket(ctx context.Context, client s3Writer, target descriptor.Target) (descriptor.Made, error) {
	configuration := &types.CreateBucketConfiguration{Tags: bucketTagSet(target.Tags)}
	// The oldest region must not be stated.
	if target.Region != "us-east-1" {
		configuration.LocationConstraint = types.BucketLocationConstraint(target.Region)
	}
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(target.Name), CreateBucketConfiguration: configuration})
	// A call that was cut off before it could tag is repeated.
	if err != nil && !descriptor.HasCode(err, "BucketAlreadyOwnedByYou") {
		return descriptor.Made{}, fmt.Errorf("create bucket %s: %w", target.Name, err)
	}
	// Emulators ignore tags in the call that creates.
	_, err = client.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket: aws.String(target.Name), ExpectedBucketOwner: aws.String(target.AccountID),
		Tagging: &types.Tagging{TagSet: bucketTagSet(target.Tags)},
	})
	if err != nil {
		return descriptor.Made{}, fmt.Errorf("tag bucket %s: %w", target.Name, err)
	}
	return madeBucket(target), nil
}

func bucketTagSet(tags map[string]string) []types.Tag {
	set := make([]types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		set = append(set, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return set
}
