package acceptance

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A bucket is made in one call and tagged in the next. What a kill between the two leaves is finished by the next apply
// and deleted by a destroy.
func TestAWSBucketCutOffBeforeItsTags(t *testing.T) {
	for _, then := range []string{"apply", "destroy"} {
		t.Run(then, func(t *testing.T) {
			w := newWorld(t, "eu-west-1")
			pathStyle := func(o *s3.Options) { o.UsePathStyle = true }
			production := s3.NewFromConfig(w.config(w.production, "eu-west-1"), pathStyle)
			sandbox := s3.NewFromConfig(w.config(w.sandbox, "eu-west-1"), pathStyle)
			name := "receipts-" + w.production
			_, err := production.CreateBucket(t.Context(), &s3.CreateBucketInput{
				Bucket: aws.String(name), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"},
			})
			if err != nil {
				t.Fatal(err)
			}
			plan := w.plan(w.inventory("s3/*"))
			w.recorder.deny(func(account, call string, body []byte) bool {
				return account == w.sandbox && call == "PUT" && bytes.Contains(body, []byte("<Tagging"))
			})
			if _, err := w.forker().Apply(t.Context(), plan, &fakeRunner{}); err == nil {
				t.Fatal("a bucket that cannot be tagged must be an error")
			}
			w.recorder.deny(nil)
			copied := aws.String(plan.Resources["s3/bucket/"+name].Name)
			tags := &s3.GetBucketTaggingInput{Bucket: copied}
			if _, err := sandbox.GetBucketTagging(t.Context(), tags); err == nil {
				t.Fatal("the test must have left a bucket without tags")
			}
			if _, err := sandbox.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: copied}); err != nil {
				t.Fatal(err)
			}
			if then == "apply" {
				w.apply(plan, &fakeRunner{})
				if output, err := sandbox.GetBucketTagging(t.Context(), tags); err != nil || len(output.TagSet) == 0 {
					t.Errorf("the next apply must tag the bucket: %v", err)
				}
			}
			if err := w.forker().Destroy(t.Context(), plan.Fork, &fakeRunner{}); err != nil {
				t.Fatal(err)
			}
			if _, err := sandbox.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: copied}); err == nil {
				t.Error("the bucket is left after the destroy")
			}
		})
	}
}
