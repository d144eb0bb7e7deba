package acceptance

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/sundog-dev/terraform-provider-sundog/forker"
)

// shop is a small production account: queues in a cycle of policies and redrives, parameters that name them, a service.
type shop struct {
	*world
	queue, dead, fifo string // URLs
}

func seedShop(w *world) shop {
	t := w.t
	ctx := t.Context()
	config := w.config(w.production, w.regions[0])
	queues, parameters, services := sqs.NewFromConfig(config), ssm.NewFromConfig(config), ecs.NewFromConfig(config)
	queueARN := func(name string) string {
		return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", w.regions[0], w.production, name)
	}
	create := func(name string, attributes map[string]string) string {
		output, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{
			QueueName: aws.String(name), Attributes: attributes, Tags: map[string]string{"app": "shop"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return *output.QueueUrl
	}
	s := shop{world: w}
	s.queue = create("orders", map[string]string{"VisibilityTimeout": "45"})
	s.dead = create("orders-dlq", nil)
	s.fifo = create("invoices.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	set := func(url string, attributes map[string]string) {
		if _, err := queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: aws.String(url), Attributes: attributes}); err != nil {
			t.Fatal(err)
		}
	}
	policy := func(queue, source string) string {
		return mustJSON(t, map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Sid": "in", "Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::" + w.production + ":root"},
			"Action": "sqs:SendMessage", "Resource": queueARN(queue),
			"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": queueARN(source)}},
		}}})
	}
	set(s.queue, map[string]string{
		"RedrivePolicy": mustJSON(t, map[string]any{"deadLetterTargetArn": queueARN("orders-dlq"), "maxReceiveCount": 5}),
		"Policy":        policy("orders", "orders-dlq"),
	})
	set(s.dead, map[string]string{"Policy": policy("orders-dlq", "orders")})
	put := func(name, value string, kind ssmtypes.ParameterType) {
		if _, err := parameters.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String(name), Value: aws.String(value), Type: kind}); err != nil {
			t.Fatal(err)
		}
	}
	put("/shop/queue-url", s.queue, ssmtypes.ParameterTypeString)
	put("/shop/settings", mustJSON(t, map[string]any{"queue": map[string]any{"arn": queueARN("orders"), "dead": s.dead}, "retries": 3}), ssmtypes.ParameterTypeString)
	put("/shop/token", "production's token", ssmtypes.ParameterTypeSecureString)
	put("plain", "just text", ssmtypes.ParameterTypeString)
	if _, err := services.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	s.deploy(services, map[string]string{
		"ORDERS_QUEUE_URL": s.queue,
		"REAL_QUEUE_URL":   fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/orders", w.regions[0], w.production),
		"INSIDE_QUEUE_URL": strings.Replace(s.queue, "127.0.0.1", "host.docker.internal", 1),
		"DEAD_ARN":         queueARN("orders-dlq"),
		"QUEUE_NAME":       "invoices.fifo",
		"SETTINGS":         "/shop/settings",
		"GREETING":         "orders are welcome",
	})
	if _, err := services.CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: aws.String("shop"), ServiceName: aws.String("storefront"), TaskDefinition: aws.String("storefront"), DesiredCount: aws.Int32(1),
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s shop) deploy(services *ecs.Client, environment map[string]string) {
	s.t.Helper()
	container := ecstypes.ContainerDefinition{
		Name: aws.String("web"), Image: aws.String("shop/storefront:1"), Essential: aws.Bool(true), Memory: aws.Int32(128),
		PortMappings: []ecstypes.PortMapping{{ContainerPort: aws.Int32(8080), Protocol: ecstypes.TransportProtocolTcp}},
		Secrets: []ecstypes.Secret{
			{Name: aws.String("TOKEN"), ValueFrom: aws.String(fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/shop/token", s.regions[0], s.production))},
			{Name: aws.String("FROM_PARAMETER"), ValueFrom: aws.String("/shop/queue-url")},
		},
	}
	for _, name := range keysOf(environment) {
		container.Environment = append(container.Environment, ecstypes.KeyValuePair{Name: aws.String(name), Value: aws.String(environment[name])})
	}
	if _, err := services.RegisterTaskDefinition(s.t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("storefront"), ContainerDefinitions: []ecstypes.ContainerDefinition{container},
	}); err != nil {
		s.t.Fatal(err)
	}
}

// sandboxQueues gives the names of the sandbox's queues.
func (w *world) sandboxQueues() []string {
	w.t.Helper()
	output, err := sqs.NewFromConfig(w.config(w.sandbox, w.regions[0])).ListQueues(w.t.Context(), &sqs.ListQueuesInput{MaxResults: aws.Int32(1000)})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, address := range output.QueueUrls {
		names = append(names, address[strings.LastIndex(address, "/")+1:])
	}
	slices.Sort(names)
	return names
}

func (w *world) sandboxParameters() map[string]string {
	w.t.Helper()
	client := ssm.NewFromConfig(w.config(w.sandbox, w.regions[0]))
	values := map[string]string{}
	pages := ssm.NewGetParametersByPathPaginator(client, &ssm.GetParametersByPathInput{
		Path: aws.String("/"), Recursive: aws.Bool(true), WithDecryption: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, parameter := range page.Parameters {
			values[*parameter.Name] = *parameter.Value
		}
	}
	return values
}

func TestAWSInventoryFindsReferences(t *testing.T) {
	w := newWorld(t)
	seedShop(w)
	inventory := w.inventory("sqs/*", "ssm/*", "ecs/*")
	want := map[string][]string{
		"ecs/cluster/shop":              {},
		"ecs/service/shop/storefront":   {"ecs/cluster/shop", "sqs/queue/invoices.fifo", "sqs/queue/orders", "sqs/queue/orders-dlq", "ssm/parameter//shop/queue-url", "ssm/parameter//shop/settings", "ssm/parameter//shop/token"},
		"sqs/queue/invoices.fifo":       {},
		"sqs/queue/orders":              {"sqs/queue/orders-dlq"},
		"sqs/queue/orders-dlq":          {"sqs/queue/orders"},
		"ssm/parameter//shop/queue-url": {"sqs/queue/orders"},
		"ssm/parameter//shop/settings":  {"sqs/queue/orders", "sqs/queue/orders-dlq"},
		"ssm/parameter//shop/token":     {},
		"ssm/parameter/plain":           {},
	}
	if got := keysOf(inventory.Resources); !slices.Equal(got, keysOf(want)) {
		t.Fatalf("resources:\n got %q\nwant %q", got, keysOf(want))
	}
	for key, references := range want {
		if got := inventory.Resources[key].References; !slices.Equal(got, references) {
			t.Errorf("%s refers to %q, want %q", key, got, references)
		}
	}
	again := w.inventory("sqs/*", "ssm/*", "ecs/*")
	if !reflect.DeepEqual(again, inventory) {
		t.Error("a second inventory of the same account differs")
	}
	w.checkReads()
}

func TestAWSForkLife(t *testing.T) {
	w := newWorld(t)
	s := seedShop(w)
	runner := &fakeRunner{}
	include := []string{"sqs/*", "ssm/*", "ecs/*"}
	plan := w.plan(w.inventory(include...))
	result := w.apply(plan, runner)

	inside := strings.Replace(w.endpoint, "127.0.0.1", "host.docker.internal", 1)
	orders := inside + "/" + w.sandbox + "/staging-orders"
	if got, want := w.sandboxQueues(), []string{"staging-invoices.fifo", "staging-orders", "staging-orders-dlq"}; !slices.Equal(got, want) {
		t.Errorf("queues %q, want %q", got, want)
	}
	values := w.sandboxParameters()
	if got := values["/staging/shop/queue-url"]; got != orders {
		t.Errorf("the parameter with the queue's address is %q, want %q", got, orders)
	}
	if got := values["/staging/shop/token"]; got == "production's token" || len(got) < 16 {
		t.Errorf("the encrypted parameter is %q", got)
	}
	for name, value := range values {
		if strings.Contains(value, w.production) {
			t.Errorf("parameter %s names production: %q", name, value)
		}
	}
	attributes, err := sqs.NewFromConfig(w.config(w.sandbox, w.regions[0])).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(result.Resources["sqs/queue/orders"].URL), AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Policy", "RedrivePolicy"} {
		text := attributes.Attributes[name]
		if strings.Contains(text, w.production) || !strings.Contains(text, w.sandbox+":staging-orders-dlq") {
			t.Errorf("%s of the copy: %s", name, text)
		}
	}
	if attributes.Attributes["VisibilityTimeout"] != "45" {
		t.Errorf("the copy's visibility timeout is %s", attributes.Attributes["VisibilityTimeout"])
	}
	container := runner.containers["storefront"]
	wantEnv := map[string]string{
		"ORDERS_QUEUE_URL": orders, "REAL_QUEUE_URL": orders, "INSIDE_QUEUE_URL": orders,
		"DEAD_ARN":   "arn:aws:sqs:eu-west-1:" + w.sandbox + ":staging-orders-dlq",
		"QUEUE_NAME": "staging-invoices.fifo", "SETTINGS": "/staging/shop/settings", "GREETING": "orders are welcome",
		"TOKEN": values["/staging/shop/token"], "FROM_PARAMETER": orders,
		"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": inside,
	}
	if !reflect.DeepEqual(container.Env, wantEnv) {
		t.Errorf("environment:\n got %q\nwant %q", container.Env, wantEnv)
	}

	// The second apply writes nothing.
	w.recorder.forget()
	w.apply(w.plan(w.inventory(include...)), runner)
	if writes := w.writes(); len(writes) > 0 {
		t.Errorf("a second apply wrote %q", writes)
	}
	observed, err := w.forker().Observe(t.Context(), "staging", runner)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(observed.Resources, result.Resources) {
		t.Errorf("observed:\n got %+v\nwant %+v", observed.Resources, result.Resources)
	}

	// Drift: one changes, one comes, one goes; nothing else is touched.
	production := sqs.NewFromConfig(w.config(w.production, w.regions[0]))
	if _, err := production.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(s.queue), Attributes: map[string]string{"VisibilityTimeout": "60"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := production.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("refunds")}); err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(w.config(w.production, w.regions[0])).DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("plain")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.forker().Apply(t.Context(), plan, runner); err == nil || !strings.Contains(err.Error(), "sqs/queue/orders: production has changed it") {
		t.Errorf("the old plan gave %v", err)
	}
	w.recorder.forget()
	w.apply(w.plan(w.inventory(include...)), runner)
	writes := slices.DeleteFunc(w.writes(), func(call string) bool { return call == "PutItem" || call == "DeleteItem" })
	slices.Sort(writes)
	if want := []string{"CreateQueue", "DeleteParameter", "SetQueueAttributes"}; !slices.Equal(writes, want) {
		t.Errorf("following the drift wrote %q, want %q", writes, want)
	}

	if err := w.forker().Destroy(t.Context(), "staging", runner); err != nil {
		t.Fatal(err)
	}
	if left := append(w.sandboxQueues(), keysOf(w.sandboxParameters())...); len(left) > 0 || len(runner.containers) > 0 {
		t.Errorf("left behind: %q and %d containers", left, len(runner.containers))
	}
	if _, err := w.forker().Observe(t.Context(), "staging", runner); !isNotFound(err) {
		t.Errorf("observing a destroyed fork gave %v", err)
	}
	w.checkReads()
}

func isNotFound(err error) bool {
	return err != nil && strings.Contains(err.Error(), forker.ErrNotFound.Error())
}
