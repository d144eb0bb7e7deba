package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestScopeOf(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		target, authorization string
		want                  scope
	}{
		"header": {
			target: "/", authorization: "AWS4-HMAC-SHA256 Credential=ASIA1/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=x",
			want: scope{accessKey: "ASIA1", region: "eu-west-1", service: "sqs"},
		},
		"asymmetric": {
			target: "/", authorization: "AWS4-ECDSA-P256-SHA256 Credential=ASIA1/20260101/s3/aws4_request,SignedHeaders=host",
			want: scope{accessKey: "ASIA1", service: "s3"},
		},
		"pre-signed": {
			target: "/b/k?X-Amz-Credential=AKIA2%2F20260101%2Fus-east-1%2Fs3%2Faws4_request",
			want:   scope{accessKey: "AKIA2", region: "us-east-1", service: "s3"},
		},
		"unsigned": {target: "/", want: scope{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.target, http.NoBody)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			if got := scopeOf(r); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestOperationOf(t *testing.T) {
	t.Parallel()
	form := func(body string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			r.Body = io.NopCloser(strings.NewReader(body))
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	cases := map[string]struct {
		service, target string
		shape           func(*http.Request)
		want            string
	}{
		"json":         {"dynamodb", "/", header("X-Amz-Target", "DynamoDB_20120810.PutItem"), "PutItem"},
		"form":         {"rds", "/", form("Action=DescribeDBInstances&Version=2014-10-31"), "DescribeDBInstances"},
		"form, late":   {"sns", "/", form("Version=1&Message=" + strings.Repeat("m", 1000) + "&Action=Publish"), "Publish"},
		"form, cut":    {"sns", "/", form("Action=Publish&Message=" + strings.Repeat("%20", maxInspected)), "Publish"},
		"query":        {"sqs", "/111111111111/orders?Action=ReceiveMessage", header("X", ""), "ReceiveMessage"},
		"cbor":         {"monitoring", "/service/Granite/operation/ListMetrics", header("Smithy-Protocol", "rpc-v2-cbor"), "ListMetrics"},
		"rest":         {"lambda", "/2015-03-31/functions", header("X", ""), "POST /2015-03-31/functions"},
		"cbor's path":  {"lambda", "/service/Granite/operation/ListMetrics", header("X", ""), "POST /service/Granite/operation/ListMetrics"},
		"json, no dot": {"sqs", "/", header("X-Amz-Target", "SendMessage"), "SendMessage"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.target, http.NoBody)
			c.shape(r)
			values, err := peekForm(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := operationOf(r, c.service, values); got != c.want {
				t.Errorf("operation %q, want %q", got, c.want)
			}
		})
	}
}

func TestPeekFormLeavesBodiesAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 10, maxInspected, 3 * maxInspected} {
		body := "Action=Publish&Message=" + strings.Repeat("m", length)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if _, err := peekForm(r); err != nil {
			t.Fatal(err)
		}
		after, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if string(after) != body {
			t.Errorf("a body of %d bytes has %d after the look", len(body), len(after))
		}
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"sqs:ListQueues", "sqs:GetQueueAttributes", "dynamodb:Scan", "sts:GetCallerIdentity", "logs:FilterLogEvents",
		"secretsmanager:GetSecretValue", "kms:DescribeKey", "iam:SimulatePrincipalPolicy",
	} {
		service, operation, _ := strings.Cut(name, ":")
		if !isRead(readTable(), service, operation) {
			t.Errorf("%s is a read", name)
		}
	}
	for _, name := range []string{
		"sqs:ReceiveMessage", "sqs:SendMessage", "dynamodb:ExecuteStatement", "logs:StartQuery", "ssm:GetAccessToken",
		"kms:GetParametersForImport", "iam:GenerateCredentialReport", "sts:GetFederationToken", "unheard:ListThings",
		":ListQueues", "s3:PUT /a", "rds:GET /", "s3:Gibberish",
	} {
		service, operation, _ := strings.Cut(name, ":")
		if isRead(readTable(), service, operation) {
			t.Errorf("%s is no read", name)
		}
	}
}
