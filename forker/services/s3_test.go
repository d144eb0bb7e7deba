package services

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

func TestAWSBucketLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	production, sandbox := newS3(w.production), newS3(w.sandbox)
	name := "receipts-" + w.scope.AccountID
	here := &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}
	for _, bucket := range []string{name, "bare-" + w.scope.AccountID} {
		must[*s3.CreateBucketOutput](t)(production.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: here}))
	}
	must[*s3.CreateBucketOutput](t)(production.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: aws.String("elsewhere-" + w.scope.AccountID), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"},
	}, func(o *s3.Options) { o.Region = "eu-central-1" }))
	must[*s3.PutBucketVersioningOutput](t)(production.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}))
	must[*s3.PutBucketTaggingOutput](t)(production.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket: &name, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("app"), Value: aws.String("shop")}}},
	}))
	must[*s3.PutBucketCorsOutput](t)(production.PutBucketCors(ctx, &s3.PutBucketCorsInput{
		Bucket: &name, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}}}},
	}))
	must[*s3.PutBucketLifecycleConfigurationOutput](t)(production.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID: aws.String("old"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("tmp/")},
			Expiration: &types.LifecycleExpiration{Days: aws.Int32(3)},
		}}},
	}))
	for i := range 40 {
		must[*s3.PutObjectOutput](t)(production.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &name, Key: aws.String(fmt.Sprintf("r/%02d.json", i)), Body: bytes.NewReader([]byte(`{"n":1}`)),
			ContentType: aws.String("application/json"), Metadata: map[string]string{"order": strconv.Itoa(i)},
		}))
	}

	s3Service := service(t, "s3")
	items := w.read(s3Service, "bucket")
	if len(items) != 2 {
		t.Fatalf("a listing holds the buckets of its own region: %v", items)
	}
	item := items[name]
	if diff := cmp.Diff(map[string]string{"app": "shop"}, item.Tags); diff != "" {
		t.Error(diff)
	}

	writer := s3Service.Writer(w.sandbox)["bucket"]
	target := w.target
	target.Name = "staging-" + name
	if _, err := writer.Find(ctx, target); !errors.Is(err, descriptor.ErrGone) {
		t.Fatalf("a bucket that is not there must be gone, not %v", err)
	}
	target = w.clone(writer, name, item.Config)
	live := must[descriptor.Live](t)(writer.Find(ctx, target))
	if diff := cmp.Diff(w.target.Tags, live.Tags); diff != "" {
		t.Error(diff)
	}

	// Reading the copy as if it were production's shows what was carried over.
	copied := &world{t: t, production: w.sandbox, scope: w.scope}
	copied.scope.AccountID = w.target.AccountID
	if diff := cmp.Diff(item.Config, copied.read(s3Service, "bucket")[target.Name].Config); diff != "" {
		t.Errorf("the copy's configuration differs: %s", diff)
	}
	block := must[*s3.GetPublicAccessBlockOutput](t)(sandbox.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &target.Name}))
	if !aws.ToBool(block.PublicAccessBlockConfiguration.BlockPublicPolicy) {
		t.Error("a copy must not be public")
	}

	copier := s3Service.Copier(w.production, w.sandbox)["bucket"]
	for range 2 {
		count := must[int](t)(copier.Copy(ctx, w.scope, item, target, descriptor.DataRequest{Mode: descriptor.DataSample, Limit: 10}))
		if count != 10 {
			t.Errorf("copied %d objects, want 10", count)
		}
	}
	listed := must[*s3.ListObjectsV2Output](t)(sandbox.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &target.Name}))
	if len(listed.Contents) != 10 {
		t.Errorf("a sample must choose the same keys each time; the copy has %d", len(listed.Contents))
	}
	head := must[*s3.HeadObjectOutput](t)(sandbox.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &target.Name, Key: listed.Contents[0].Key}))
	if aws.ToString(head.ContentType) != "application/json" || head.Metadata["order"] == "" {
		t.Errorf("content type and metadata must be copied: %v %v", aws.ToString(head.ContentType), head.Metadata)
	}

	// The bare bucket's configuration clears what the copy had.
	changed := target
	changed.Config = items["bare-"+w.scope.AccountID].Config
	if err := writer.Wire(ctx, changed); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &target.Name}); !absent(err) {
		t.Errorf("CORS rules that production no longer has must go: %v", err)
	}

	if err := writer.Delete(ctx, target); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Find(ctx, target); !errors.Is(err, descriptor.ErrGone) {
		t.Errorf("after deletion: %v", err)
	}

	// A name that another account took.
	foreign := w.target
	foreign.Name = name
	if _, err := writer.Find(ctx, foreign); !errors.Is(err, descriptor.ErrForeignAccount) {
		t.Errorf("production's own bucket must be foreign: %v", err)
	}
}

func TestSampleKeysIsStable(t *testing.T) {
	keys := func(count int) func(func(string, error) bool) {
		return func(yield func(string, error) bool) {
			for i := range count {
				if !yield(fmt.Sprintf("key-%d", i), nil) {
					return
				}
			}
		}
	}
	collect := func(count int) map[string]bool {
		chosen := map[string]bool{}
		for key, err := range sampleKeys(keys(count), 20) {
			if err != nil {
				t.Fatal(err)
			}
			chosen[key] = true
		}
		return chosen
	}
	before, after := collect(1000), collect(1001)
	if len(before) != 20 || len(after) != 20 {
		t.Fatalf("chose %d and %d keys, want 20", len(before), len(after))
	}
	kept := 0
	for key := range before {
		if after[key] {
			kept++
		}
	}
	if kept < 19 {
		t.Errorf("one more key may displace one of the sample; %d of 20 stayed", kept)
	}
	failure := errors.New("denied")
	for _, err := range sampleKeys(func(yield func(string, error) bool) { yield("", failure) }, 3) {
		if !errors.Is(err, failure) {
			t.Errorf("a failed listing must not look like an empty one: %v", err)
		}
	}
}
