package services

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"
)

// world is a pair of fresh accounts at a real implementation of the AWS API.
type world struct {
	t                   *testing.T
	production, sandbox aws.Config
	scope               descriptor.Scope
	target              descriptor.Target
}

// newWorld needs SUNDOG_TEST_AWS_ENDPOINT; `make test` sets it.
func newWorld(t *testing.T) *world {
	t.Helper()
	endpoint := os.Getenv("SUNDOG_TEST_AWS_ENDPOINT")
	if endpoint == "" {
		t.Skip("SUNDOG_TEST_AWS_ENDPOINT is not set")
	}
	account := func() string { return fmt.Sprintf("%012d", rand.Int64N(899_999_999_999)+100_000_000_000) }
	production, sandbox := account(), account()
	return &world{
		t: t, production: accountConfig(t, endpoint, production), sandbox: accountConfig(t, endpoint, sandbox),
		scope: descriptor.Scope{AccountID: production, Region: "eu-west-1", Partition: "aws", Bases: descriptor.EndpointSpellings(endpoint)},
		target: descriptor.Target{
			AccountID: sandbox, Region: "eu-west-1", Partition: "aws", Fork: "staging",
			Tags: map[string]string{"sundog.dev/fork": "staging", "sundog.dev/managed-by": "sundog"},
		},
	}
}

func accountConfig(t *testing.T, endpoint, account string) aws.Config {
	t.Helper()
	config := aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("base", "base", ""),
	}
	output, err := sts.NewFromConfig(config).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/test"), RoleSessionName: aws.String("test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	issued := output.Credentials
	config.Credentials = credentials.NewStaticCredentialsProvider(
		aws.ToString(issued.AccessKeyId), aws.ToString(issued.SecretAccessKey), aws.ToString(issued.SessionToken))
	return config
}

// service finds a registered descriptor.
func service(t *testing.T, name string) descriptor.Descriptor {
	t.Helper()
	for _, candidate := range All() {
		if candidate.Name == name {
			return candidate
		}
	}
	t.Fatalf("service %q is not registered", name)
	return descriptor.Descriptor{}
}

// read lists and reads all resources of a kind in production, by name.
func (w *world) read(service descriptor.Descriptor, kind string) map[string]descriptor.Item {
	w.t.Helper()
	reader := service.Reader(w.production)[kind]
	items := map[string]descriptor.Item{}
	for item, err := range reader.List(w.t.Context(), w.scope) {
		if err == nil && item.Config == nil {
			item, err = reader.Read(w.t.Context(), w.scope, item)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		items[item.Name] = item
	}
	return items
}

// clone makes a copy of an item whose configuration is given and returns its target.
func (w *world) clone(writer descriptor.KindWriter, name string, config any) descriptor.Target {
	w.t.Helper()
	target := w.target
	target.Name, target.Config = "staging-"+name, config
	made, err := writer.Create(w.t.Context(), target)
	if err != nil {
		w.t.Fatal(err)
	}
	target.ARN, target.Values = made.ARN, made.Values
	// A kill right here must leave something that is known to be the fork's.
	live, err := writer.Find(w.t.Context(), target)
	if err != nil || live.Tags["sundog.dev/fork"] != target.Fork {
		w.t.Fatalf("right after its creation the copy must carry the fork's tags: %v, %v", live.Tags, err)
	}
	if writer.Wire != nil {
		if err := writer.Wire(w.t.Context(), target); err != nil {
			w.t.Fatal(err)
		}
	}
	return target
}

// must stops the test on an error.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
