package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

// world is two fresh accounts of an emulator, behind a proxy that records what each account was asked.
type world struct {
	t          *testing.T
	endpoint   string
	production string
	sandbox    string
	regions    []string
	recorder   *recorder
	events     func(forker.Event)
}

// newWorld needs SUNDOG_TEST_AWS_ENDPOINT, the address of an emulator of many accounts. The accounts are random, so that
// tests do not see each other.
func newWorld(t *testing.T, regions ...string) *world {
	t.Helper()
	emulator := os.Getenv("SUNDOG_TEST_AWS_ENDPOINT")
	if emulator == "" {
		t.Skip("SUNDOG_TEST_AWS_ENDPOINT is not set")
	}
	if len(regions) == 0 {
		regions = []string{"eu-west-1"}
	}
	record := newRecorder(t, emulator)
	account := func() string { return fmt.Sprintf("%012d", 100_000_000_000+rand.Int64N(899_999_999_999)) }
	return &world{
		t: t, endpoint: record.server.URL, production: account(), sandbox: account(), regions: regions, recorder: record,
	}
}

// config gives credentials of an account to seed it or to look at it; what is sent with them is not recorded.
func (w *world) config(account, region string) aws.Config {
	w.t.Helper()
	base, err := config.LoadDefaultConfig(w.t.Context(), config.WithRegion(region), config.WithBaseEndpoint(w.endpoint),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	if err != nil {
		w.t.Fatal(err)
	}
	base.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base), roleIn(account, "tester")))
	found, err := base.Credentials.Retrieve(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.recorder.ignore(found.AccessKeyID)
	return base
}

func roleIn(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

func (w *world) side(account string, regions ...string) forker.Account {
	return forker.Account{
		AccountID: account, Regions: regions, AccessKey: "test", SecretKey: "test",
		AssumeRole: &forker.AssumeRole{RoleARN: roleIn(account, "sundog")}, EndpointURL: w.endpoint,
	}
}

func (w *world) options() forker.Options {
	return forker.Options{
		Production: w.side(w.production, w.regions...), Sandbox: w.side(w.sandbox, w.regions[0]),
		Owner: "tester", DigestKey: []byte("digest key"), Events: w.events,
	}
}

func (w *world) forker() *forker.Forker {
	w.t.Helper()
	made, err := forker.New(w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func (w *world) inventory(include ...string) *forker.Inventory {
	w.t.Helper()
	inventory, err := w.forker().Inventory(w.t.Context(), forker.Selection{Include: include})
	if err != nil {
		w.t.Fatal(err)
	}
	return inventory
}

func (w *world) plan(inventory *forker.Inventory, rules ...forker.Rule) *forker.Plan {
	w.t.Helper()
	plan, err := forker.NewPlan(forker.PlanRequest{Fork: "staging", Resources: inventory.Resources, Rules: rules})
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

func (w *world) apply(plan *forker.Plan, runner forker.Runner) *forker.Result {
	w.t.Helper()
	result, err := w.forker().Apply(w.t.Context(), plan, runner)
	if err != nil {
		w.t.Fatalf("apply: %v", err)
	}
	if result.Status != "complete" {
		w.t.Fatalf("the fork is %s: %+v", result.Status, result.Findings)
	}
	return result
}

// checkReads fails if anything but a read was sent with production's credentials. The decision is made here, from what
// was on the wire, not by the guard under test.
func (w *world) checkReads() {
	w.t.Helper()
	reads := regexp.MustCompile(`^(List|Get|Describe|Head|Scan|Query|BatchGet)`)
	calls := w.recorder.of(w.production)
	if len(calls) == 0 {
		w.t.Error("nothing was recorded for production")
	}
	for _, call := range calls {
		if call != "GET" && call != "HEAD" && !reads.MatchString(call) {
			w.t.Errorf("production was sent %s", call)
		}
	}
}

// writes gives the calls to the sandbox that are no reads.
func (w *world) writes() []string {
	reads := regexp.MustCompile(`^(List|Get|Describe|Head|Scan|Query|BatchGet|HEAD|GET)`)
	return slices.DeleteFunc(w.recorder.of(w.sandbox), func(call string) bool { return reads.MatchString(call) })
}

// recorder is a proxy before the emulator that tells accounts apart by the access keys that it saw being given out.
type recorder struct {
	server *httptest.Server

	mutex    sync.Mutex
	accounts map[string]string
	ignored  map[string]bool
	calls    map[string][]string
	refuse   func(account, call string, body []byte) bool
}

var (
	accessKey  = regexp.MustCompile(`Credential=([^/]+)/`)
	givenKey   = regexp.MustCompile(`<AccessKeyId>([^<]+)</AccessKeyId>`)
	roleParam  = regexp.MustCompile(`RoleArn=arn%3Aaws%3Aiam%3A%3A(\d{12})%3Arole`)
	actionForm = regexp.MustCompile(`(?:^|&)Action=([A-Za-z]+)`)
)

func newRecorder(t *testing.T, emulator string) *recorder {
	t.Helper()
	target, err := url.Parse(emulator)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{accounts: map[string]string{}, ignored: map[string]bool{}, calls: map[string][]string{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
			// The emulator spells its own addresses by the host that it was asked at.
			request.Out.Host = request.In.Host
		},
		ModifyResponse: func(response *http.Response) error {
			account, _ := response.Request.Context().Value(assumedKey{}).(string)
			if account == "" {
				return nil
			}
			body, err := io.ReadAll(response.Body)
			response.Body = io.NopCloser(bytes.NewReader(body))
			if found := givenKey.FindSubmatch(body); found != nil {
				r.mutex.Lock()
				defer r.mutex.Unlock()
				r.accounts[string(found[1])] = account
			}
			return err
		},
	}
	r.server = httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(writer, err.Error(), http.StatusBadGateway)
			return
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		if found := roleParam.FindSubmatch(body); found != nil {
			request = request.WithContext(context.WithValue(request.Context(), assumedKey{}, string(found[1])))
		}
		if r.note(request, body) {
			writer.Header().Set("Content-Type", "application/x-amz-json-1.0")
			writer.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			writer.WriteHeader(http.StatusForbidden)
			_, _ = writer.Write([]byte(`{"__type":"AccessDeniedException","message":"not authorized"}`))
			return
		}
		proxy.ServeHTTP(writer, request)
	}))
	t.Cleanup(r.server.Close)
	return r
}

type assumedKey struct{}

func (r *recorder) note(request *http.Request, body []byte) (refused bool) {
	found := accessKey.FindStringSubmatch(request.Header.Get("Authorization"))
	if found == nil {
		return false
	}
	call := request.Method
	if target := request.Header.Get("X-Amz-Target"); target != "" {
		call = target[strings.LastIndex(target, ".")+1:]
	} else if action := actionForm.FindSubmatch(body); action != nil {
		call = string(action[1])
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	account := r.accounts[found[1]]
	if account == "" || r.ignored[found[1]] {
		return false
	}
	r.calls[account] = append(r.calls[account], call)
	return r.refuse != nil && r.refuse(account, call, body)
}

func (r *recorder) ignore(key string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.ignored[key] = true
}

func (r *recorder) of(account string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.calls[account])
}

func (r *recorder) forget() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.calls = map[string][]string{}
}

func (r *recorder) deny(refuse func(account, call string, body []byte) bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.refuse = refuse
}

// fakeRunner keeps containers in memory.
type fakeRunner struct {
	mutex      sync.Mutex
	containers map[string]forker.Container
	order      []string
	applies    int
}

func (r *fakeRunner) Apply(_ context.Context, _ string, containers []forker.Container) (map[string]forker.ContainerState, error) {
	r.mutex.Lock()
	r.containers = map[string]forker.Container{}
	r.order = nil
	for _, container := range containers {
		r.containers[container.Name] = container
		r.order = append(r.order, container.Name)
	}
	r.applies++
	r.mutex.Unlock()
	return r.Observe(context.Background(), "")
}

func (r *fakeRunner) Observe(context.Context, string) (map[string]forker.ContainerState, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	states := map[string]forker.ContainerState{}
	for name, container := range r.containers {
		state := forker.ContainerState{Status: "running", Hostname: name, URLs: map[string]string{}, Addresses: map[string]string{}}
		for index, port := range container.Ports {
			state.Addresses[port.ID] = fmt.Sprintf("127.0.0.1:%d", 40000+index)
			if port.Application == "http" {
				state.URLs[port.ID] = "http://" + state.Addresses[port.ID]
			}
		}
		states[name] = state
	}
	return states, nil
}

func (r *fakeRunner) Remove(context.Context, string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.containers = nil
	return nil
}

func keysOf[V any](values map[string]V) []string { return slices.Sorted(maps.Keys(values)) }

func mustJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
