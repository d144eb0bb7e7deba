package provider

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// accounts is production and a sandbox in an emulator: fresh account numbers, so that tests do not see each other.
type accounts struct {
	t                             *testing.T
	emulator, production, sandbox string
	// endpoint is a proxy in front of the emulator.
	endpoint string
	// denied is an operation that the proxy refuses, as IAM would.
	denied atomic.Value
}

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	emulator := os.Getenv("SUNDOG_TEST_AWS_ENDPOINT")
	if emulator == "" || os.Getenv("TF_ACC") == "" {
		t.Skip("SUNDOG_TEST_AWS_ENDPOINT and TF_ACC are not both set")
	}
	number := func() string { return fmt.Sprintf("%012d", 100_000_000_000+rand.Int64N(899_999_999_999)) }
	a := &accounts{t: t, emulator: emulator, production: number(), sandbox: number()}
	target, err := url.Parse(emulator)
	if err != nil {
		t.Fatal(err)
	}
	a.denied.Store("")
	proxy := &httputil.ReverseProxy{Rewrite: func(request *httputil.ProxyRequest) {
		request.SetURL(target)
		request.Out.Host = request.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		denied, _ := a.denied.Load().(string)
		if denied != "" && strings.HasSuffix(request.Header.Get("X-Amz-Target"), "."+denied) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":"User is not authorized to perform: %s"}`, denied)
			return
		}
		proxy.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	a.endpoint = server.URL
	return a
}

// provider is a provider block with both accounts.
func (a *accounts) provider(owner, productionID string) string {
	side := func(id, account, region string) string {
		return fmt.Sprintf("{\n    account_id = %q\n    %s\n    access_key = \"test\"\n    secret_key = \"test\"\n    endpoint_url = %q\n    assume_role = { role_arn = \"arn:aws:iam::%s:role/sundog\" }\n  }",
			id, region, a.endpoint, account)
	}
	return fmt.Sprintf("provider \"sundog\" {\n  owner = %q\n  digest_key = \"a key for this test\"\n  production = %s\n  sandbox = %s\n}\n", owner,
		side(productionID, a.production, `regions = ["eu-west-1"]`), side(a.sandbox, a.sandbox, `region = "eu-west-1"`))
}

// queues is the answer to a listing.
type queues struct {
	URLs []string `xml:"ListQueuesResult>QueueUrl"`
}

// ask sends one call of the query protocol with an account's credentials. The emulator does not check signatures, so no
// SDK is needed for it.
func (a *accounts) ask(account, service string, form url.Values, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	key := "test"
	if account != "" {
		var role struct {
			Key string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		}
		assume := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + account + ":role/tester"}, "RoleSessionName": {"tester"}}
		if err := a.ask("", "sts", assume, &role); err != nil {
			return err
		}
		key = role.Key
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.emulator+"/", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/eu-west-1/%s/aws4_request, SignedHeaders=host, Signature=none", key, service))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	if into == nil {
		return nil
	}
	return xml.Unmarshal(body, into)
}

func (a *accounts) createQueue(name string) {
	a.t.Helper()
	form := url.Values{"Action": {"CreateQueue"}, "Version": {"2012-11-05"}, "QueueName": {name}}
	if err := a.ask(a.production, "sqs", form, nil); err != nil {
		a.t.Fatal(err)
	}
}

// queues lists the queues of an account.
func (a *accounts) queues(account string) ([]string, error) {
	var found queues
	err := a.ask(account, "sqs", url.Values{"Action": {"ListQueues"}, "Version": {"2012-11-05"}}, &found)
	return found.URLs, err
}
