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

// ask sends one call of the query protocol with an account's credentials.
func (a *accounts) ask(account, service string, form url.Values, into any) error {
	key, err := a.key(account)
	if err != nil {
		return err
	}
	body, err := a.send(key, service, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
	if err != nil || into == nil {
		return err
	}
	return xml.Unmarshal(body, into)
}

// tell sends one call of the JSON protocol with production's credentials.
func (a *accounts) tell(service, target, body string) {
	a.t.Helper()
	key, err := a.key(a.production)
	if err == nil {
		_, err = a.send(key, service, map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}, body)
	}
	if err != nil {
		a.t.Fatalf("%s: %v", target, err)
	}
}

// key is an access key of an account.
func (a *accounts) key(account string) (string, error) {
	var role struct {
		Key string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	}
	assume := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + account + ":role/tester"}, "RoleSessionName": {"tester"}}
	body, err := a.send("test", "sts", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, assume.Encode())
	if err == nil {
		err = xml.Unmarshal(body, &role)
	}
	return role.Key, err
}

// send sends one call. The emulator does not check signatures, so no SDK is needed for it.
func (a *accounts) send(key, service string, headers map[string]string, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.emulator+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, text := range headers {
		request.Header.Set(name, text)
	}
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/eu-west-1/%s/aws4_request, SignedHeaders=host, Signature=none", key, service))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return answer, err
}

// createService makes an ECS service whose one container runs an image of the test.
func (a *accounts) createService(name, image, message string) {
	a.t.Helper()
	const api = "AmazonEC2ContainerServiceV20141113."
	a.tell("ecs", api+"CreateCluster", `{"clusterName": "shop"}`)
	a.tell("ecs", api+"RegisterTaskDefinition", fmt.Sprintf(`{"family": %q, "containerDefinitions": [{"name": %q, "image": %q, "essential": true, "memory": 64,
		"command": ["serve", "-http", "8080"], "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
		"environment": [{"name": "MESSAGE", "value": %q}]}]}`, name, name, image, message))
	a.tell("ecs", api+"CreateService", fmt.Sprintf(`{"cluster": "shop", "serviceName": %q, "taskDefinition": %q, "desiredCount": 1}`, name, name))
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
