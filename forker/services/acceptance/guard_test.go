package acceptance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/session"
	"github.com/sundog-dev/terraform-provider-sundog/forker/services"
)

const guardedAccount = "123456789012"

// guarded gives production's guarded configuration at a server that knows only whom the credentials belong to, and the
// number of other requests that reached it.
func guarded(t *testing.T) (*session.Production, *atomic.Int64) {
	t.Helper()
	reached := &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(body), "Action=GetCallerIdentity") {
			_, _ = io.WriteString(writer, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>`+guardedAccount+
				`</Account><Arn>arn:aws:iam::`+guardedAccount+`:user/x</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
			return
		}
		reached.Add(1)
		_, _ = io.WriteString(writer, `{}`)
	}))
	t.Cleanup(server.Close)
	return session.NewProduction(session.Access{
		AccountID: guardedAccount, Region: "eu-west-1", AccessKey: "x", SecretKey: "y", EndpointURL: server.URL,
	}, session.NewTable(services.All())), reached
}

// forbidden are calls that must not reach production, some of which look like reads.
var forbidden = map[string]func(context.Context, aws.Config) error{
	"sqs CreateQueue": func(ctx context.Context, c aws.Config) error {
		_, err := sqs.NewFromConfig(c).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("x")})
		return err
	},
	"sqs ReceiveMessage": func(ctx context.Context, c aws.Config) error {
		_, err := sqs.NewFromConfig(c).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String("https://x/1/q")})
		return err
	},
	"s3 PutObject": func(ctx context.Context, c aws.Config) error {
		_, err := s3.NewFromConfig(c).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: strings.NewReader("x")})
		return err
	},
	"s3 DeleteBucket": func(ctx context.Context, c aws.Config) error {
		_, err := s3.NewFromConfig(c).DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("b")})
		return err
	},
	"s3 presigned PutObject": func(ctx context.Context, c aws.Config) error {
		_, err := s3.NewPresignClient(s3.NewFromConfig(c)).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
		return err
	},
	"ssm GetParameter with decryption": func(ctx context.Context, c aws.Config) error {
		_, err := ssm.NewFromConfig(c).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("p"), WithDecryption: aws.Bool(true)})
		return err
	},
	"ssm PutParameter": func(ctx context.Context, c aws.Config) error {
		_, err := ssm.NewFromConfig(c).PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("p"), Value: aws.String("v")})
		return err
	},
	"ecs UpdateService": func(ctx context.Context, c aws.Config) error {
		_, err := ecs.NewFromConfig(c).UpdateService(ctx, &ecs.UpdateServiceInput{Service: aws.String("s")})
		return err
	},
	"rds DeleteDBInstance": func(ctx context.Context, c aws.Config) error {
		_, err := rds.NewFromConfig(c).DeleteDBInstance(ctx, &rds.DeleteDBInstanceInput{DBInstanceIdentifier: aws.String("d")})
		return err
	},
	"sts AssumeRole": func(ctx context.Context, c aws.Config) error {
		_, err := sts.NewFromConfig(c).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::1:role/x"), RoleSessionName: aws.String("s")})
		return err
	},
}

func TestGuardsRefuseEachAlone(t *testing.T) {
	production, reached := guarded(t)
	for name, call := range forbidden {
		config, err := session.Read(t.Context(), production, "eu-west-1", func(c aws.Config) aws.Config { return c })
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), config); !errors.Is(err, session.ErrForbidden) {
			t.Errorf("%s gave %v", name, err)
		}
		if strings.Contains(name, "presigned") {
			continue // A presigned request is sent by somebody else: only the first guard sees it.
		}
		// Without the first guard the second one still holds.
		config.APIOptions = nil
		if err := call(t.Context(), config); !errors.Is(err, session.ErrForbidden) {
			t.Errorf("%s without the middleware gave %v", name, err)
		}
	}
	if count := reached.Load(); count != 0 {
		t.Errorf("%d forbidden requests were sent", count)
	}
}

func TestGuardsLetReadsThrough(t *testing.T) {
	production, reached := guarded(t)
	config, err := session.Read(t.Context(), production, "eu-west-1", func(c aws.Config) aws.Config { return c })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqs.NewFromConfig(config).ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil {
		t.Error(err)
	}
	get := &ssm.GetParameterInput{Name: aws.String("p"), WithDecryption: aws.Bool(true)}
	if _, err := ssm.NewFromConfig(config).GetParameter(session.AllowData(t.Context()), get); err != nil {
		t.Errorf("a data read that is asked for: %v", err)
	}
	get.WithDecryption = aws.Bool(false)
	if _, err := ssm.NewFromConfig(config).GetParameter(t.Context(), get); err != nil {
		t.Errorf("a read without decryption: %v", err)
	}
	if count := reached.Load(); count != 3 {
		t.Errorf("%d requests were sent, want 3", count)
	}
}
