package acceptance

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/fault"
	"github.com/sundog-dev/terraform-provider-sundog/forker/internal/session"
)

func TestAWSInventoryReadsEveryPage(t *testing.T) {
	w := newWorld(t)
	client := ssm.NewFromConfig(w.config(w.production, w.regions[0]))
	for index := range 60 {
		if _, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
			Name: aws.String(fmt.Sprintf("/many/%03d", index)), Value: aws.String("x"), Type: ssmtypes.ParameterTypeString,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(w.inventory("ssm/*").Resources); got != 60 {
		t.Errorf("%d of 60 parameters on two pages", got)
	}
}

func TestAWSInventorySelects(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	for name, test := range map[string]struct {
		selection forker.Selection
		want      []string
	}{
		"exclude":  {forker.Selection{Include: []string{"sqs/*"}, Exclude: []string{"*dlq"}}, []string{"sqs/queue/invoices.fifo", "sqs/queue/orders"}},
		"one":      {forker.Selection{Include: []string{"ssm/parameter//shop/t*"}}, []string{"ssm/parameter//shop/token"}},
		"tags":     {forker.Selection{Include: []string{"s*"}, Tags: map[string]string{"app": "shop"}}, []string{"sqs/queue/invoices.fifo", "sqs/queue/orders", "sqs/queue/orders-dlq"}},
		"no match": {forker.Selection{Include: []string{"sqs/queue/none"}}, nil},
	} {
		inventory, err := w.forker().Inventory(t.Context(), test.selection)
		if err != nil {
			t.Fatal(err)
		}
		if got := keysOf(inventory.Resources); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestAWSDeniedIsUncovered(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	w.recorder.deny(func(account, call string, body []byte) bool {
		return account == w.production && (call == "ListClusters" || call == "ListQueueTags" && strings.Contains(string(body), "orders-dlq"))
	})
	inventory := w.inventory("sqs/*", "ecs/*")
	if got, want := keysOf(inventory.Resources), []string{"sqs/queue/invoices.fifo", "sqs/queue/orders"}; !slices.Equal(got, want) {
		t.Errorf("resources %q, want %q", got, want)
	}
	var subjects []string
	for _, gap := range inventory.Uncovered {
		subjects = append(subjects, gap.Subject)
		if !strings.Contains(gap.Reason, "AccessDenied") {
			t.Errorf("%s is uncovered because of %q", gap.Subject, gap.Reason)
		}
	}
	if want := []string{"ecs/cluster@eu-west-1", "ecs/service@eu-west-1", "sqs/queue/orders-dlq"}; !slices.Equal(subjects, want) {
		t.Errorf("uncovered %q, want %q", subjects, want)
	}
}

func TestAWSOtherAccountIsRefused(t *testing.T) {
	w := newWorld(t)
	options := w.options()
	options.Production.AssumeRole.RoleARN = roleIn("999999999999", "sundog")
	wrong, err := forker.New(options)
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Inventory(t.Context(), forker.Selection{})
	if !errors.Is(err, session.ErrWrongAccount) || !strings.Contains(err.Error(), w.production) || !strings.Contains(err.Error(), "999999999999") {
		t.Errorf("credentials of another account gave %v", err)
	}
	options = w.options()
	options.Sandbox.AccountID = options.Production.AccountID
	if _, err := forker.New(options); !errors.Is(err, forker.ErrSameAccount) {
		t.Errorf("one account for both gave %v", err)
	}
	// The sandbox's credentials lead to production, although its id says otherwise.
	options = w.options()
	options.Sandbox.AssumeRole.RoleARN = roleIn(w.production, "sundog")
	wrong, err = forker.New(options)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := forker.NewPlan(forker.PlanRequest{Fork: "staging"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Apply(t.Context(), plan, nil); !errors.Is(err, session.ErrWrongAccount) {
		t.Errorf("a sandbox in production gave %v", err)
	}
	if err := wrong.Destroy(t.Context(), "staging", nil); !errors.Is(err, session.ErrWrongAccount) {
		t.Errorf("destroying in production gave %v", err)
	}
}

func TestAWSForkOfAnotherOwner(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	w.apply(w.plan(w.inventory("sqs/*")), nil)
	options := w.options()
	options.Owner = "somebody else"
	other, err := forker.New(options)
	if err != nil {
		t.Fatal(err)
	}
	var owned *forker.OwnedError
	if _, err := other.Apply(t.Context(), w.plan(w.inventory("sqs/*")), nil); !errors.As(err, &owned) || owned.Owner != "tester" {
		t.Errorf("applying gave %v", err)
	}
	if err := other.Destroy(t.Context(), "staging", nil); !errors.As(err, &owned) {
		t.Errorf("destroying gave %v", err)
	}
	if len(w.sandboxQueues()) != 3 {
		t.Errorf("the other owner has changed something: %q", w.sandboxQueues())
	}
}

func TestAWSForeignResourcesAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	client := sqs.NewFromConfig(w.config(w.sandbox, w.regions[0]))
	if _, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("staging-orders-dlq")}); err != nil {
		t.Fatal(err)
	}
	result, err := w.forker().Apply(t.Context(), w.plan(w.inventory("sqs/*")), nil)
	if !errors.Is(err, forker.ErrForeign) || !strings.Contains(err.Error(), "staging-orders-dlq") {
		t.Errorf("applying gave %v", err)
	}
	if result == nil || result.Status != "partial" || result.Resources["sqs/queue/invoices.fifo"].Status != "ready" {
		t.Errorf("the rest was not made: %+v", result)
	}
	// What refers to it cannot be wired, because it would point at production.
	if !errors.Is(err, forker.ErrResidual) || !strings.HasPrefix(result.Resources["sqs/queue/orders"].Status, "failed:") {
		t.Errorf("the queue that refers to it: %+v", result.Resources["sqs/queue/orders"])
	}
	// Somebody takes the tags off another copy: it is not ours any more.
	address := result.Resources["sqs/queue/invoices.fifo"].URL
	if _, err := client.UntagQueue(t.Context(), &sqs.UntagQueueInput{QueueUrl: aws.String(address), TagKeys: []string{"sundog.dev/fork"}}); err != nil {
		t.Fatal(err)
	}
	err = w.forker().Destroy(t.Context(), "staging", nil)
	if !errors.Is(err, forker.ErrForeign) || !strings.Contains(err.Error(), "invoices.fifo") {
		t.Errorf("destroying gave %v", err)
	}
	if got, want := w.sandboxQueues(), []string{"staging-invoices.fifo", "staging-orders-dlq"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
	// Tagged again it goes, and the one that was never ours stays.
	if _, err := client.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: aws.String(address), Tags: map[string]string{"sundog.dev/fork": "staging"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.forker().Destroy(t.Context(), "staging", nil); err != nil {
		t.Error(err)
	}
	if got, want := w.sandboxQueues(), []string{"staging-orders-dlq"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

// TestAWSStoppedAnywhereConverges stops the first apply at every point there is, once each, and applies again.
func TestAWSStoppedAnywhereConverges(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	plan := w.plan(w.inventory("sqs/*", "ssm/*", "ecs/*"))
	var want []string
	var environment map[string]string
	for stop := 0; ; stop++ {
		runner := &fakeRunner{}
		passed, stopped := 0, false
		ctx := fault.With(t.Context(), func(point string) error {
			if passed == stop {
				stopped = true
				return errors.New("stopped at " + point)
			}
			passed++
			return nil
		})
		// One at a time, so that every point is one moment.
		options := w.options()
		options.Parallelism = 1
		first, err := forker.New(options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.Apply(ctx, plan, runner); stopped != errors.Is(err, fault.ErrStopped) {
			t.Fatalf("the apply that was stopped at point %d gave %v", stop, err)
		}
		w.apply(plan, runner)
		got := append(w.sandboxQueues(), keysOf(w.sandboxParameters())...)
		env := withoutFakes(runner.containers["storefront"].Env)
		if !stopped {
			want, environment = got, env
		}
		if want != nil && (!slices.Equal(got, want) || !reflect.DeepEqual(env, environment)) {
			t.Errorf("stopped at point %d the fork is %q, want %q", stop, got, want)
		}
		if err := w.forker().Destroy(t.Context(), "staging", runner); err != nil {
			t.Fatal(err)
		}
		if left := append(w.sandboxQueues(), keysOf(w.sandboxParameters())...); len(left) > 0 || len(w.sandboxTables()) > 0 {
			t.Fatalf("left behind after point %d: %q, %q", stop, left, w.sandboxTables())
		}
		if !stopped {
			if stop < 20 {
				t.Errorf("an apply has only %d points", stop)
			}
			break
		}
		if want == nil {
			want, environment = got, env
		}
	}
	w.checkReads()
}

// withoutFakes leaves out what differs from fork to fork because it is derived from a random key.
func withoutFakes(environment map[string]string) map[string]string {
	delete(environment, "TOKEN")
	return environment
}

func (w *world) sandboxTables() []string {
	w.t.Helper()
	output, err := dynamodb.NewFromConfig(w.config(w.sandbox, w.regions[0])).ListTables(w.t.Context(), &dynamodb.ListTablesInput{})
	if err != nil {
		w.t.Fatal(err)
	}
	return output.TableNames
}

func TestAWSSkippedReferenceIsAnError(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	inventory := w.inventory("sqs/*", "ssm/*", "ecs/*")
	skip := forker.Rule{Match: "sqs/queue/orders", Strategy: forker.Skip}
	result, err := w.forker().Apply(t.Context(), w.plan(inventory, skip), &fakeRunner{})
	if !errors.Is(err, forker.ErrResidual) || !strings.Contains(err.Error(), "sqs/queue/orders is skipped; clone, substitute, stub or share it") {
		t.Errorf("naming a skipped queue gave %v", err)
	}
	if got := result.Resources["ssm/parameter//shop/queue-url"].Status; !strings.HasPrefix(got, "failed: it would point at production") {
		t.Errorf("the parameter that names it is %q", got)
	}
	if got := w.sandboxParameters()["/staging/shop/queue-url"]; strings.Contains(got, w.production) {
		t.Errorf("production was written into the sandbox: %q", got)
	}
	// What is shared may be named, and a rule may allow a resource to fail.
	runner := &fakeRunner{}
	result = w.apply(w.plan(inventory, forker.Rule{Match: "sqs/queue/orders", Strategy: forker.Share}), runner)
	if got := runner.containers["storefront"].Env["DEAD_ARN"]; !strings.Contains(got, w.sandbox) {
		t.Errorf("the environment names %q", got)
	}
	if got := runner.containers["storefront"].Env["ORDERS_QUEUE_URL"]; !strings.Contains(got, w.production) {
		t.Errorf("the shared queue is %q", got)
	}
	if state := result.Resources["sqs/queue/orders"]; state.Status != "shared" || state.ARN != "" {
		t.Errorf("the shared queue: %+v", state)
	}
	tolerant := []forker.Rule{skip, {Match: "ssm/*", OnError: "skip"}, {Match: "ecs/service/*", OnError: "skip"}, {Match: "sqs/*", OnError: "skip"}}
	result, err = w.forker().Apply(t.Context(), w.plan(inventory, tolerant...), &fakeRunner{})
	if err != nil || result.Status != "complete" {
		t.Errorf("failures that rules allow gave %v", err)
	}
}

func TestAWSCancelledApplyRecordsWhatHolds(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	plan := w.plan(w.inventory("sqs/*", "ssm/*"))
	ctx, cancel := context.WithCancel(t.Context())
	w.events = func(event forker.Event) {
		if event.Step == "wire" && event.Status == "started" {
			cancel()
		}
	}
	result, err := w.forker().Apply(ctx, plan, nil)
	if !errors.Is(err, context.Canceled) || result == nil || result.Status != "partial" {
		t.Fatalf("a cancelled apply gave %v, %+v", err, result)
	}
	w.events = nil
	if _, err := w.forker().Observe(t.Context(), "staging", nil); err != nil {
		t.Error(err)
	}
	w.apply(plan, nil)
}
